package courier

import (
	"cmp"
	"context"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/exchange"
	"mft.dev/mft/identity"
	"mft.dev/mft/identity/card"
)

// lying is a place of statements that says what a test wants.
type lying struct {
	exchange.Keys
	cards [][]byte
}

func (l lying) Statements(context.Context, mft.AgentName) ([][]byte, error) { return l.cards, nil }

// TestDoubt: while what lies in the exchange under a name is damaged, a transfer
// waits; a whole card of a key that is not trusted refuses it.
func TestDoubt(t *testing.T) {
	now := time.Now()
	agent := func(name mft.AgentName) (*identity.Keys, []byte) {
		keys, err := identity.LoadOrCreate(t.TempDir(), name, now)
		if err != nil {
			t.Fatal(err)
		}
		return keys, card.Make(keys)
	}
	beta, good := agent("beta")
	_, foreign := agent("beta")
	_, other := agent("gamma")
	pin := beta.Pin()
	if err := beta.Rotate(now, time.Hour); err != nil {
		t.Fatal(err)
	}
	newer := card.Make(beta)
	turned := func(b []byte, at int) []byte {
		b = slices.Clone(b)
		b[(at+len(b))%len(b)] ^= 1
		return b
	}
	for _, tt := range []struct {
		name  string
		cards [][]byte
		later time.Duration // when it is looked again, after newer was seen
		want  mft.Code
	}{
		{name: "none", want: mft.CodeUnreachable},
		{name: "as published", cards: [][]byte{good}},
		{name: "of a key that the pinned one vouches for", cards: [][]byte{newer}},
		{name: "the statement damaged", cards: [][]byte{turned(good, -1)}, want: mft.CodeUnreachable},
		{name: "the key in it damaged", cards: [][]byte{turned(good, -100)}, want: mft.CodeUnreachable},
		{name: "what vouches for it damaged", cards: [][]byte{turned(newer, int(newer[2])<<8|int(newer[3]))}, want: mft.CodeUnreachable},
		{name: "cut", cards: [][]byte{good[:200]}, want: mft.CodeUnreachable},
		{name: "noise", cards: [][]byte{[]byte("noise")}, want: mft.CodeUnreachable},
		{name: "that of another agent", cards: [][]byte{other}, want: mft.CodeUnreachable},
		{name: "that of a stranger", cards: [][]byte{foreign}, want: mft.CodeUntrusted},
		{name: "that of a stranger beside it", cards: [][]byte{foreign, good}},
		{name: "that of a stranger beside a damaged one", cards: [][]byte{foreign, turned(good, -1)}, want: mft.CodeUnreachable},
		{name: "a damaged one beside that of a stranger", cards: [][]byte{turned(good, -1), foreign}, want: mft.CodeUnreachable},
		{name: "of a key that was replaced", cards: [][]byte{good}, later: identity.DefaultOverlap + time.Hour, want: mft.CodeUntrusted},
	} {
		t.Run(tt.name, func(t *testing.T) {
			trust, err := identity.OpenTrust(filepath.Join(t.TempDir(), "peers.json"), []identity.Peer{{Name: "beta", Pins: []identity.PinnedKey{{Pin: pin}}}})
			if err != nil {
				t.Fatal(err)
			}
			if tt.later > 0 {
				if _, _, err := card.Read(newer, "beta", trust, now); err != nil {
					t.Fatal(err)
				}
			}
			c := &Courier{
				c: Config{
					Exchange: exchange.Exchange{Keys: lying{cards: tt.cards}}, Trust: trust, CardsFor: time.Minute,
					Now: func() time.Time { return now.Add(tt.later) },
				},
				piles: map[mft.AgentName]pile{},
			}
			keys, err := c.keysOf(t.Context(), "beta")
			if got := mft.CodeOf(err); got != cmp.Or(tt.want, mft.CodeOK) || (len(keys) > 0) != (err == nil) {
				t.Errorf("keysOf = %d keys, %v, want code %s", len(keys), err, tt.want)
			}
			if _, kept := c.piles["beta"]; kept != (err == nil) {
				t.Errorf("cards are remembered: %v, want that only of cards that served", kept)
			}
		})
	}
}

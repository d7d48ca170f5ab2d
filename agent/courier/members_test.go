package courier_test

import (
	"slices"
	"testing"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/courier"
	"mft.dev/mft/exchange/dir"
	"mft.dev/mft/exchange/letter"
	"mft.dev/mft/identity"
	"mft.dev/mft/identity/card"
	"mft.dev/mft/protocol"
)

// TestMembers writes to a name that three agents share, while they rotate their
// keys: each can read what is for whoever takes it.
func TestMembers(t *testing.T) {
	alpha, beta, folder := newEnds(t, t.TempDir())
	box, err := dir.New(dir.Config{Path: folder, Agent: beta.name, Wait: -1})
	must(t, err)
	members := []*identity.Keys{beta.keys}
	for range 2 {
		keys, err := identity.LoadOrCreate(t.TempDir(), beta.name, time.Now())
		must(t, err)
		members = append(members, keys)
	}
	stranger, err := identity.LoadOrCreate(t.TempDir(), beta.name, time.Now())
	must(t, err)
	var pins []identity.PinnedKey
	for _, keys := range members {
		pins = append(pins, identity.PinnedKey{Pin: keys.Pin()})
	}
	alpha.trust, err = identity.OpenTrust(t.TempDir()+"/peers.json", []identity.Peer{{Name: beta.name, Pins: pins}})
	must(t, err)
	alpha.live()
	defer alpha.die()
	published := 0
	publish := func(keys *identity.Keys) {
		published++
		must(t, box.Keys.Publish(t.Context(), string(rune('a'+published)), card.Make(keys)))
	}
	// readers posts a letter and returns who can open it.
	readers := func() (who []int) {
		must(t, alpha.courier.Open(t.Context(), mft.Transfer{ID: mft.TransferID{byte(published), 1}, Peer: beta.name}, protocol.KindOffer, nil))
		letters, err := box.Queue.Take(t.Context(), 2, time.Minute)
		if err != nil || len(letters) != 1 {
			t.Fatalf("%d letters, %v", len(letters), err)
		}
		must(t, box.Queue.Remove(t.Context(), &letters[0]))
		for i, keys := range append(slices.Clone(members), stranger) {
			if _, err := letter.Open(letters[0].Body, keys); err == nil {
				who = append(who, i)
			}
		}
		return who
	}
	want := func(when string, want ...int) {
		t.Helper()
		if got := readers(); !slices.Equal(got, want) {
			t.Errorf("%s: a letter can be read by %v, want %v", when, got, want)
		}
	}
	publish(members[0])
	publish(stranger)
	want("one has published, and a stranger", 0)
	publish(members[1])
	want("two have", 0, 1)
	publish(members[2])
	want("all have", 0, 1, 2)
	must(t, members[1].Rotate(time.Now().Add(time.Second), time.Hour))
	want("one has a new key and has not published it", 0, 1, 2)
	publish(members[1])
	want("and has published it", 0, 1, 2)
	must(t, members[0].Rotate(time.Now().Add(time.Second), time.Hour))
	publish(members[0])
	want("another too", 0, 1, 2)

	// An answer is for the one that asked, by the key that it has now.
	old := pins[1].Pin.KeyID()
	for _, to := range []protocol.KeyID{old, members[1].KeyID()} {
		must(t, courier.AnswerAs(alpha.courier, t.Context(), &protocol.Envelope{Kind: protocol.KindDecision, Transfer: mft.TransferID{9}, Recipient: beta.name}, to))
		letters, err := box.Queue.Take(t.Context(), 2, time.Minute)
		if err != nil || len(letters) != 1 {
			t.Fatalf("%d letters, %v", len(letters), err)
		}
		for i, keys := range members {
			if _, err := letter.Open(letters[0].Body, keys); (err == nil) != (i == 1) {
				t.Errorf("an answer to agent 1: agent %d opens it: %v", i, err)
			}
		}
		must(t, box.Queue.Remove(t.Context(), &letters[0]))
	}
}

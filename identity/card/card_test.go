package card

import (
	"bytes"
	"crypto/ecdh"
	"path/filepath"
	"testing"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/identity"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// keysOf makes an agent; rotated ones have replaced their first key.
func keysOf(t testing.TB, name mft.AgentName, rotated bool) (keys *identity.Keys, first identity.Pin) {
	t.Helper()
	keys, err := identity.LoadOrCreate(t.TempDir(), name, start)
	if err != nil {
		t.Fatal(err)
	}
	first = keys.Pin()
	if rotated {
		if err := keys.Rotate(start.Add(time.Hour), 24*time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	return keys, first
}

// trusting returns one that has pinned a key of erp.
func trusting(t testing.TB, pin identity.Pin) *identity.Trust {
	t.Helper()
	trust, err := identity.OpenTrust(filepath.Join(t.TempDir(), "peers.json"), []identity.Peer{{Name: "erp", Pins: []identity.PinnedKey{{Pin: pin}}}})
	if err != nil {
		t.Fatal(err)
	}
	return trust
}

// TestRead: a card that is whole is believed or not; whatever else lies in its
// place is damage, and never taken for another key.
func TestRead(t *testing.T) {
	erp, pin := keysOf(t, "erp", false)
	rotated, before := keysOf(t, "erp", true)
	stranger, _ := keysOf(t, "erp", false)
	ledger, _ := keysOf(t, "ledger", false)
	card, other := Make(erp), Make(stranger)
	half := bytes.Clone(card) // the certificate of one, the statement of another
	copy(half[len(half)-len(erp.Sealing()):], stranger.Sealing())
	chain := bytes.Clone(Make(rotated)) // the certificate before is that of another
	first := 2 + 2 + int(chain[2])<<8 + int(chain[3])
	foreign := append(bytes.Clone(chain[:first]), other[2:len(other)-len(stranger.Sealing())]...)
	foreign = append(foreign, rotated.Sealing()...)
	for _, tt := range []struct {
		name string
		card []byte
		pin  identity.Pin
		now  time.Time
		want mft.Code
	}{
		{"as made", card, pin, start, mft.CodeOK},
		{"of a key that a pinned one vouches for", chain, before, start.Add(2 * time.Hour), mft.CodeOK},
		{"of a key that nobody vouches for", other, pin, start, mft.CodeUntrusted},
		{"of a key that a stranger vouches for", chain, pin, start, mft.CodeUntrusted},
		{"of another agent", Make(ledger), pin, start, mft.CodeCorrupt},
		{"of two agents", half, pin, start, mft.CodeCorrupt},
		{"a chain of two agents", foreign, before, start, mft.CodeCorrupt},
		{"empty", nil, pin, start, mft.CodeCorrupt},
		{"too long", make([]byte, MaxSize+1), pin, start, mft.CodeCorrupt},
		{"a byte more", append(bytes.Clone(card), 0), pin, start, mft.CodeCorrupt},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, _, err := Read(tt.card, "erp", trusting(t, tt.pin), tt.now); mft.CodeOf(err) != tt.want {
				t.Errorf("Read = %v, want code %s", err, tt.want)
			}
		})
	}
}

// TestReadReplaced: a key that was replaced, and one that was removed, are not
// damage.
func TestReadReplaced(t *testing.T) {
	keys, pin := keysOf(t, "erp", false)
	old := Make(keys)
	trust := trusting(t, pin)
	if err := keys.Rotate(start.Add(time.Hour), 24*time.Hour); err != nil {
		t.Fatal(err)
	}
	if _, by, err := Read(Make(keys), "erp", trust, start.Add(2*time.Hour)); err != nil || by != keys.Pin() {
		t.Fatalf("Read of the new card = %v, %v", by, err)
	}
	if _, _, err := Read(old, "erp", trust, start.Add(2*time.Hour+identity.DefaultOverlap)); mft.CodeOf(err) != mft.CodeUntrusted {
		t.Errorf("Read of the old card, past its time = %v, want code %s", err, mft.CodeUntrusted)
	}
}

// TestReadDamaged turns each bit of a card, one after the other, and cuts it
// everywhere.
func TestReadDamaged(t *testing.T) {
	for _, rotated := range []bool{false, true} {
		keys, pin := keysOf(t, "erp", rotated)
		card, corrupt := Make(keys), 0
		trust := trusting(t, pin)
		read := func(what string, at int, b []byte) {
			if rotated && corrupt%50 == 0 {
				trust = trusting(t, pin) // what is believed once is remembered
			}
			_, _, err := Read(b, "erp", trust, start.Add(2*time.Hour))
			switch mft.CodeOf(err) {
			case mft.CodeCorrupt:
				corrupt++
			case mft.CodeOK: // no signature covers it, and nobody looks at it
			default:
				t.Errorf("%s at %d of %d: %v, want code %s", what, at, len(card), err, mft.CodeCorrupt)
			}
		}
		for at := range card {
			b := bytes.Clone(card)
			b[at] ^= 1 << (at % 8)
			read("a bit turned", at, b)
			read("cut", at, card[:at])
		}
		if corrupt < len(card) {
			t.Errorf("of %d harms %d were noticed", 2*len(card), corrupt)
		}
	}
}

func FuzzRead(f *testing.F) {
	keys, pin := keysOf(f, "erp", false)
	card := Make(keys)
	f.Add(card)
	f.Add([]byte{})
	f.Add([]byte{version, 1, 0, 0})
	trust := trusting(f, pin)
	f.Fuzz(func(t *testing.T, b []byte) {
		stated, by, err := Read(b, "erp", trust, start)
		if err == nil && (by != pin || !stated.Public.Equal(mustRead(t, card, trust))) {
			t.Errorf("a card that was never made was believed: %x", b)
		}
		if code := mft.CodeOf(err); err != nil && code != mft.CodeCorrupt && code != mft.CodeUntrusted {
			t.Errorf("Read = %v", err)
		}
	})
}

func mustRead(t *testing.T, card []byte, trust *identity.Trust) *ecdh.PublicKey {
	t.Helper()
	stated, _, err := Read(card, "erp", trust, start)
	if err != nil {
		t.Fatal(err)
	}
	return stated.Public
}

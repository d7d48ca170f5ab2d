package courier_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/exchange/exchangetest/faulty"
	"mft.dev/mft/identity"
	"mft.dev/mft/identity/card"
	"mft.dev/mft/protocol"
)

// TestFaultsVersions: one version of some files after the other, of which the next
// has most in common with the last, arrives whole, whatever an exchange does,
// whenever either end is stopped and started, and whatever becomes of what has
// arrived.
func TestFaultsVersions(t *testing.T) {
	const worlds = 4
	n := 60
	if raceEnabled && !*long || testing.Short() {
		n = 8
	}
	for i := range worlds {
		t.Run(fmt.Sprintf("world %d", i), func(t *testing.T) {
			t.Parallel()
			versions(t, *seed*worlds+uint64(i), n)
		})
	}
}

func versions(t *testing.T, seed uint64, n int) {
	r := rand.New(rand.NewPCG(seed, 0))
	top := memory(t)
	alpha, beta, folder := newEnds(t, top)
	ends := []*end{alpha, beta}
	clean := map[*end]func(){}
	for i, e := range ends {
		e.exchange.Sizes.MaxBlock = 2 << 20 // few parts, for each may be harmed
		good := e.exchange
		// Else it would be tried again after a quarter of an hour.
		must(t, good.Keys.Publish(t.Context(), fmt.Sprintf("%x", e.keys.KeyID()), card.Make(e.keys)))
		d := faulty.New(good, faulty.Schedule{Seed: seed*2 + uint64(i), Odds: 20})
		e.exchange = d.Exchange
		clean[e] = func() { e.exchange = good }
		e.live()
		defer func() {
			if e.ctx != nil {
				e.die()
			}
		}()
	}
	src, dst := filepath.Join(top, "src"), filepath.Join(top, "dst")
	must(t, os.Mkdir(src, 0o755))
	must(t, os.Mkdir(dst, 0o755))
	files := map[string][]byte{}
	began := time.Now().Add(-time.Hour)
	for i := range 6 {
		files[fmt.Sprint(i)] = noise(r, 1<<20+r.IntN(1<<20))
	}
	restart := func() {
		e := ends[r.IntN(2)]
		e.die()
		e.live()
	}
	for i := range n {
		for name, b := range files {
			if r.IntN(2) == 0 {
				b = versioned(r, b)
				files[name] = b
			}
			path := filepath.Join(src, name)
			must(t, os.WriteFile(path, b, 0o644))
			when := began.Add(time.Duration(i) * time.Second) // no time that anything gets that has arrived
			must(t, os.Chtimes(path, when, when))
		}
		meddle(t, r, dst)
		s := &shipment{
			to: beta, src: src, dst: dst, overwrite: mft.OverwriteReplace, heard: make(chan struct{}, 1), done: make(chan struct{}),
			versions: map[string]map[mft.Digest]bool{}, steady: map[string]mft.Digest{},
		}
		for k := range s.id {
			s.id[k] = byte(r.Uint32())
		}
		alpha.ship(s)
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		for r.IntN(3) == 0 { // the ends come to different places meanwhile
			restart()
		}
		s.wait(ctx, t)
		for name, b := range files {
			got, err := os.ReadFile(filepath.Join(dst, name))
			if err != nil || !bytes.Equal(got, b) {
				t.Fatalf("version %d of %s: %v, %v arrived, want %v", i, name, err, protocol.HashOf(got), protocol.HashOf(b))
			}
		}
		cancel()
	}
	for _, e := range ends {
		e.die()
	}
	for _, e := range ends {
		clean[e]()
		e.live()
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	empty(ctx, t, folder, ends)
}

// versioned returns another version of a file.
func versioned(r *rand.Rand, b []byte) []byte {
	at, to := r.IntN(len(b)), r.IntN(len(b))
	fresh := noise(r, 1+r.IntN(20_000))
	switch r.IntN(4) {
	case 0:
		b = bytes.Clone(b)
		copy(b[at:], fresh)
		return b
	case 1:
		return bytes.Join([][]byte{b[:at], fresh, b[at:]}, nil)
	case 2:
		return append(bytes.Clone(b[to:]), b[:to]...)
	}
	return append(bytes.Clone(b), fresh...)
}

// meddle does now and then to what has arrived what its users may do.
func meddle(t *testing.T, r *rand.Rand, dst string) {
	t.Helper()
	name := filepath.Join(dst, fmt.Sprint(r.IntN(6)))
	b, err := os.ReadFile(name)
	if err != nil {
		return
	}
	switch r.IntN(8) {
	case 0:
		must(t, os.Remove(name))
	case 1:
		must(t, os.WriteFile(name, versioned(r, b), 0o644))
	case 2: // without leaving a trace in its size
		b[r.IntN(len(b))] ^= 1
		must(t, os.WriteFile(name, b, 0o644))
	case 3:
		must(t, os.Chtimes(name, time.Now(), time.Now()))
	}
}

// TestRemembers: a parcel does not copy where nobody knows which disk it comes to,
// nor where the receiver does not look what it has.
func TestRemembers(t *testing.T) {
	for _, tt := range []struct {
		name    string
		compare mft.Compare
		pins    int // of the peer
		want    bool
	}{
		{"one agent", mft.CompareQuick, 1, true},
		{"reading both", mft.CompareContent, 1, true},
		{"not comparing", mft.CompareNone, 1, false},
		{"two of one name", mft.CompareQuick, 2, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			top := t.TempDir()
			alpha, beta, _ := newEnds(t, top)
			pins := []identity.PinnedKey{{Pin: beta.keys.Pin()}, {Pin: alpha.keys.Pin()}}[:tt.pins]
			var err error
			alpha.trust, err = identity.OpenTrust(filepath.Join(top, "pins.json"), []identity.Peer{{Name: beta.name, Pins: pins}})
			must(t, err)
			alpha.live()
			defer alpha.die()
			id := mft.TransferID{1}
			alpha.mu.Lock()
			alpha.sends[id] = &shipment{id: id} // else its ledger is swept away when the courier begins
			alpha.mu.Unlock()
			out, err := alpha.courier.Outgoing(t.Context(), mft.Transfer{ID: id, Peer: beta.name}, true, func(context.Context) (mft.Offer, error) {
				return mft.Offer{Transfer: id, Recipient: beta.name, Compare: tt.compare}, nil
			})
			must(t, err)
			defer out.Recorder.Close()
			defer out.Close()
			if got := out.Watch != nil; got != tt.want {
				t.Errorf("what is sent is remembered: %v, want %v", got, tt.want)
			}
		})
	}
}

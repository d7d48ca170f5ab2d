package talk

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"testing"

	"mft.dev/mft"
	"mft.dev/mft/exchange/recall"
	"mft.dev/mft/protocol"
)

// remembers gives the sender a memory, in dir.
func (f *fixture) remembers(dir string) {
	f.delivered = map[mft.TransferID]bool{}
	f.memory = recall.Open(recall.Config{
		Dir:       dir,
		Delivered: func(_ context.Context, id mft.TransferID) (bool, error) { return f.delivered[id], nil },
		Open:      func(_ context.Context, id mft.TransferID) (bool, error) { return !f.delivered[id], nil },
		Log:       slog.New(slog.DiscardHandler),
	})
}

// delivers takes everything to the receiver, in as many parcels as it takes, and
// returns how many these were, and how much was in the last of them.
func (f *fixture) delivers() (parcels int, content int64) {
	f.t.Helper()
	for parcels = 1; parcels < 4; parcels++ {
		f.parked(protocol.KindReceipt)
		a, _, _ := f.manifestOf()
		_, err := f.receive()
		if err == nil {
			f.same()
			return parcels, a.Manifest
		}
		if !f.useless {
			f.t.Fatalf("receive: %v, want it delivered, or code %s", err, mft.CodeOutdated)
		}
	}
	f.t.Fatal("it is not delivered")
	return 0, 0
}

// edited returns content with some bytes changed every so often.
func edited(content []byte, every int) []byte {
	b := bytes.Clone(content)
	for at := every / 2; at < len(b); at += every {
		copy(b[at:], "something else")
	}
	return b
}

func (f *fixture) rewrite(path string, content []byte) {
	f.t.Helper()
	if err := os.WriteFile(path, content, 0o640); err != nil {
		f.t.Fatal(err)
	}
}

// TestPatched: what the receiver has of the last version is not in the parcel,
// and what it does not have, or no longer, comes all the same.
func TestPatched(t *testing.T) {
	const size = 20<<20 + 5
	v1 := noise(size)
	tests := []struct {
		name    string
		next    []byte
		there   func(f *fixture, path string) // what happens at the receiver in between
		forget  bool
		parcels int
		most    int64 // content of the last parcel
	}{
		{"one block", edited(v1, size), nil, false, 1, 64 << 10},
		{"many blocks", edited(v1, 1<<20), nil, false, 1, 21 * 16 << 10},
		{"inserted", bytes.Join([][]byte{v1[:7<<20], []byte("more"), v1[7<<20:]}, nil), nil, false, 1, 64 << 10},
		{"removed", bytes.Join([][]byte{v1[:7<<20], v1[8<<20+77:]}, nil), nil, false, 1, 64 << 10},
		{"moved", bytes.Join([][]byte{v1[7<<20:], v1[:7<<20]}, nil), nil, false, 1, 64 << 10},
		{"shorter", v1[:5<<20], nil, false, 1, 64 << 10},
		{"longer", append(bytes.Clone(v1), v1...), nil, false, 1, 64 << 10},
		{"too small for it", v1[:1<<19], nil, false, 1, 1 << 19},
		{"a hole", append(bytes.Clone(v1[:4<<20]), make([]byte, 6<<20)...), nil, false, 1, 7 << 20},
		{"nothing in common", edited(bytes.Repeat([]byte{7}, size), 4<<10), nil, false, 1, size},
		{"forgotten", edited(v1, size), nil, true, 1, size},
		{"gone there", edited(v1, size), func(_ *fixture, path string) { _ = os.Remove(path) }, false, 2, size},
		{"shorter there", edited(v1, size), func(_ *fixture, path string) { _ = os.Truncate(path, 4<<20) }, false, 2, size},
		{"another there", edited(v1, size), func(f *fixture, path string) { f.rewrite(path, edited(v1, 1<<20)) }, false, 2, size},
		{"another end there", edited(v1, size), func(f *fixture, path string) {
			f.rewrite(path, append(bytes.Clone(v1[:size-9]), "different"...))
		}, false, 2, size},
		{"a directory there", edited(v1, size), func(_ *fixture, path string) {
			_ = os.Rename(path, path+"2")
			_ = os.Symlink(path+"2", path)
		}, false, 2, size},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t)
			dir := filepath.Join(t.TempDir(), "sent")
			f.remembers(dir)
			f.write("d/big", v1)
			f.delivers()
			landed := filepath.Join(f.dst, "d", "big")
			if tt.there != nil {
				tt.there(f, landed)
			}
			if tt.forget {
				if err := os.RemoveAll(dir); err != nil {
					t.Fatal(err)
				}
			}
			f.again()
			f.write("d/big", tt.next)
			_ = os.Remove(landed + "2")
			parcels, content := f.delivers()
			if parcels != tt.parcels || content > tt.most {
				t.Errorf("%d parcels, the last with %d bytes of content, want %d with at most %d", parcels, content, tt.parcels, tt.most)
			}
			// The next one knows this one, whatever there was.
			f.again()
			f.write("d/big", edited(tt.next, len(tt.next)))
			if parcels, content = f.delivers(); len(tt.next) > 1<<20 && (parcels != 1 || content > 64<<10) {
				t.Errorf("then %d parcels, with %d bytes, want 1 with at most %d", parcels, content, 64<<10)
			}
		})
	}
}

// TestPatchedContent: where the receiver reads what it has, and finds that it is
// another content of the same size, that is copied from too.
func TestPatchedContent(t *testing.T) {
	f := newFixture(t)
	f.compare = mft.CompareContent
	f.remembers(filepath.Join(t.TempDir(), "sent"))
	v1 := noise(20 << 20)
	f.write("big", v1)
	f.delivers()
	for _, content := range [][]byte{edited(v1, len(v1)), v1, v1} {
		f.again()
		f.write("big", content)
		if parcels, content := f.delivers(); parcels != 1 || content > 64<<10 {
			t.Errorf("%d parcels, with %d bytes of content, want 1 with at most %d", parcels, content, 64<<10)
		}
	}
}

// TestPatchedSeveral: more files than can be under way as deltas at once, with
// others in between.
func TestPatchedSeveral(t *testing.T) {
	f := newFixture(t)
	f.remembers(filepath.Join(t.TempDir(), "sent"))
	const files = 3*protocol.DeltaWindow + 1
	fill := func(change func([]byte) []byte) {
		for i := range files {
			f.write(fmt.Sprintf("d%d/big", i), change(noise(2<<20+i)))
			f.write(fmt.Sprintf("d%d/small", i), change(noise(1000)))
		}
	}
	fill(func(b []byte) []byte { return b })
	f.delivers()
	f.again()
	fill(func(b []byte) []byte { return edited(b, len(b)) })
	f.write("d5/new", noise(3<<20))
	if parcels, content := f.delivers(); parcels != 1 || content > 3<<20+files*(1000+8<<10) {
		t.Errorf("%d parcels, with %d bytes, want one with what is new", parcels, content)
	}
	// One of them is not there: all come whole, and what was delivered is not
	// fetched again.
	f.again()
	fill(func(b []byte) []byte { return edited(b, len(b)/2) })
	if err := os.Remove(filepath.Join(f.dst, "d7", "big")); err != nil {
		t.Fatal(err)
	}
	if parcels, _ := f.delivers(); parcels != 2 {
		t.Errorf("%d parcels, want 2", parcels)
	}
}

// patched makes a transfer whose parcel copies from an old version and has many
// parts all the same, and returns what a crash would have found at each.
func patched(t *testing.T) (f *fixture, old map[string][]byte, sent string, all []moment) {
	f = newFixture(t)
	f.part = 28 << 10
	sent = filepath.Join(t.TempDir(), "sent")
	f.remembers(sent)
	old = map[string][]byte{"big": noise(24 << 20), "other": noise(3 << 20)}
	for name, content := range old {
		f.write(name, content)
	}
	f.delivers()
	f.store.blocks, f.store.published = map[string]map[int][]byte{}, map[string][]byte{}
	f.again()
	f.write("big", edited(old["big"], 300<<10))
	f.write("other", edited(old["other"], 1<<20))
	f.store.onStage = func(int) { all = append(all, f.now()) }
	f.parked(protocol.KindReceipt)
	f.store.onStage = nil
	if n := f.contents(); len(all) < 20 || n > 100 {
		t.Fatalf("%d parts were staged, %d of content, want 20 to 100", len(all), n)
	}
	return f, old, sent, all
}

// afterPatched is after, where the receiver has the old version.
func (f *fixture) afterPatched(m moment, old map[string][]byte, sent string) *fixture {
	g := f.after(m)
	for name, content := range old {
		g.rewrite(filepath.Join(g.dst, name), content)
	}
	dir := filepath.Join(f.t.TempDir(), "sent")
	if err := os.CopyFS(dir, os.DirFS(sent)); err != nil {
		f.t.Fatal(err)
	}
	g.remembers(dir)
	maps.Copy(g.delivered, f.delivered)
	// Its place is that of the first fixture's receiver.
	g.place = f.dst
	return g
}

// TestCrashPatched: wherever a crash comes while a parcel is made that copies,
// going on stages little again. When what was remembered is lost, or something
// else was sent meanwhile, all arrives too.
func TestCrashPatched(t *testing.T) {
	f, old, sent, all := patched(t)
	contents, worst := f.contents(), 0
	for i, m := range all {
		if testing.Short() && i%7 != 0 {
			continue
		}
		g := f.afterPatched(m, old, sent)
		switch i % 3 {
		case 1: // forgotten
			g.memory = nil
		case 2: // something else was delivered meanwhile, and the receiver restored what was there
			offer := g.offer()
			offer.Transfer, offer.Destination = mft.TransferID{1}, g.place+"/"
			content := append(noise(5000), old["big"]...)
			w := g.memory.For(t.Context(), &offer).Watch(&mft.Item{Path: "big", Type: mft.ItemFile, Size: int64(len(content))})
			_, _ = w.Write(content)
			w.Passed(protocol.HashOf(content))
			g.delivered[offer.Transfer] = true
		}
		var again []int
		g.store.onStage = func(block int) {
			if m.has(block) && block < contents {
				again = append(again, block)
			}
		}
		if i%3 > 0 && mft.CodeOf(g.send()) == mft.CodeChanged { // what follows is not what followed before
			g.letters = nil
		}
		if len(g.letters) == 0 {
			g.parked(protocol.KindReceipt)
		}
		g.store.onStage = nil
		if i%3 == 0 {
			worst = max(worst, len(again))
			if got := g.contents(); got != contents || len(again) > atOnce-1 {
				t.Errorf("crash at part %d: parts %d of %d were staged again, of %d before", i, again, got, contents)
			}
		}
		if _, err := g.receive(); g.useless && i%3 == 2 && i <= 3*contents/4 {
			g.delivers() // nothing of it was there yet that copied from what was restored
		} else if err != nil {
			t.Fatalf("crash at part %d: receive: %v", i, err)
		}
		g.same()
	}
	t.Logf("%d crashes, at most %d of %d parts staged again", len(all), worst, contents)
}

// TestFetchPatched: whichever part cannot be fetched, going on works, and fetches
// only what was not verified.
func TestFetchPatched(t *testing.T) {
	f, old, sent, all := patched(t)
	last := f.letters
	for n := 1; n <= len(all); n++ {
		if testing.Short() && n%7 != 0 {
			continue
		}
		g := f.afterPatched(all[0], old, sent)
		g.letters, g.store.published = last, f.store.published
		g.store.failRead = n
		if _, err := g.receive(); err != nil && mft.CodeOf(err) != mft.CodeExpired {
			t.Fatalf("receive: %v, want code EXPIRED", err)
		} else if err == nil {
			break // fewer parts are read
		}
		g.arrives()
		g.same()
	}
}

// TestOutdatedKeeps: what was made of an old version before it turned out to be
// another one does not come again.
func TestOutdatedKeeps(t *testing.T) {
	f := newFixture(t)
	f.remembers(filepath.Join(t.TempDir(), "sent"))
	v1 := noise(40 << 20)
	f.write("big", v1)
	f.delivers()
	f.again()
	f.write("big", edited(v1, len(v1)))
	changed := bytes.Clone(v1)
	copy(changed[39<<20:], "something else")
	f.rewrite(filepath.Join(f.dst, "big"), changed)
	f.parked(protocol.KindReceipt)
	if _, err := f.receive(); !f.useless {
		t.Fatalf("receive: %v, want code %s", err, mft.CodeOutdated)
	}
	f.parked(protocol.KindReceipt)
	f.store.read = 0
	f.arrives()
	f.same()
	if most := 8 + 3; f.store.read > most {
		t.Errorf("%d parts were read, want at most %d", f.store.read, most)
	}
}

package talk

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"mft.dev/mft"
	"mft.dev/mft/exchange/parcel"
	"mft.dev/mft/protocol"
	"mft.dev/mft/protocol/relay"
)

// smallPart is the content of a part where many parts are wanted of little.
const smallPart = 4 << 10

// several makes a tree of about 25 small parts, of files that are no larger than
// a part.
func (f *fixture) several() {
	f.part = smallPart
	for i := range 60 {
		f.write(fmt.Sprintf("d%d/f%02d", i%4, i), noise(1+(i*977)%smallPart))
	}
}

func (f *fixture) ledger() string { return filepath.Join(f.dir, f.id.String()+".ledger") }

// A moment is what a crash would find.
type moment struct {
	ledger []byte
	blocks map[string]map[int][]byte
}

// has reports whether storage had a part.
func (m *moment) has(block int) bool {
	for _, blocks := range m.blocks {
		if _, ok := blocks[block]; ok {
			return true
		}
	}
	return false
}

func (f *fixture) now() moment {
	b, err := os.ReadFile(f.ledger())
	if err != nil {
		f.t.Error(err)
	}
	m := moment{ledger: b, blocks: map[string]map[int][]byte{}}
	for name, blocks := range f.store.blocks {
		m.blocks[name] = maps.Clone(blocks)
	}
	return m
}

// after makes a fixture that goes on after a crash.
func (f *fixture) after(m moment) *fixture {
	g := newFixture(f.t)
	g.src, g.part, g.id = f.src, f.part, f.id
	if err := os.WriteFile(g.ledger(), m.ledger, 0o600); err != nil {
		f.t.Fatal(err)
	}
	g.store.blocks, g.store.published = map[string]map[int][]byte{}, map[string][]byte{}
	for name, blocks := range m.blocks {
		g.store.blocks[name] = maps.Clone(blocks)
	}
	return g
}

// moments records a tree and returns what a crash would have found at each call
// of Stage. There are as many as parts: Stage of the store is one at a time.
func moments(t *testing.T, fill func(*fixture)) (f *fixture, all []moment) {
	f = newFixture(t)
	fill(f)
	f.store.onStage = func(int) { all = append(all, f.now()) }
	f.parked(protocol.KindReceipt)
	f.store.onStage = nil
	if len(all) < 20 {
		t.Fatalf("%d parts were staged, want more", len(all))
	}
	return f, all
}

// one makes a single file of many parts, with check points that lie within parts.
func (f *fixture) one() {
	f.part = 7 << 18
	f.write("small", noise(1000))
	f.write("big", noise(40<<20))
}

// contents is how many parts hold nothing but content. What comes behind it is
// the manifest, which is written anew.
func (f *fixture) contents() int {
	a, err := relay.Of(f.letters[len(f.letters)-1])
	if err != nil {
		f.t.Fatal(err)
	}
	return int(a.Manifest) / a.Part
}

// TestCrashRecording: wherever a crash comes while parts are staged, going on
// stages at most one part of content again that storage had, and all arrives. A
// crash comes when Stage is called: of the parts that are staged at once, that
// one is not in storage, each other may be and not be noted yet, and what was
// before them is noted.
func TestCrashRecording(t *testing.T) {
	for name, fill := range map[string]func(*fixture){"small files": (*fixture).several, "one big file": (*fixture).one} {
		t.Run(name, func(t *testing.T) {
			f, all := moments(t, fill)
			contents, worst := f.contents(), 0
			for i, m := range all {
				g := f.after(m)
				var again []int
				g.store.onStage = func(block int) {
					if m.has(block) && block < contents {
						again = append(again, block)
					}
				}
				g.parked(protocol.KindReceipt)
				worst = max(worst, len(again))
				if len(again) > atOnce-1 {
					t.Errorf("crash at part %d: parts %d of %d were staged again, want at most one", i, again, contents)
				}
				if got := g.contents(); got != contents {
					t.Errorf("crash at part %d: content has %d parts, want %d", i, got, contents)
				}
				g.arrives()
				g.same()
			}
			t.Logf("%d crashes, at most %d of %d parts staged again", len(all), worst, contents)
		})
	}
}

// TestCrashLedger: a ledger that lost its end, or in which bytes were changed,
// costs parts and nothing else.
func TestCrashLedger(t *testing.T) {
	f, all := moments(t, (*fixture).several)
	whole := f.now() // with the object published
	r := rand.New(rand.NewPCG(1, 2))
	n := 60
	if testing.Short() {
		n = 12
	}
	for i := range n {
		m := all[r.IntN(len(all))]
		if i%4 == 0 {
			m = whole
		}
		m.ledger = bytes.Clone(m.ledger)
		if i%2 == 0 {
			m.ledger = m.ledger[:r.IntN(len(m.ledger))]
		} else {
			m.ledger[r.IntN(len(m.ledger))] ^= 1 << r.IntN(8)
		}
		g := f.after(m)
		if i%4 == 0 {
			g.store.published = maps.Clone(f.store.published)
		}
		for try := 0; ; try++ {
			err := g.send()
			var p *Parked
			if errors.As(err, &p) && p.For == protocol.KindReceipt && len(g.letters) > 0 {
				break
			}
			if try == 3 || !errors.As(err, &p) && !mft.CodeOf(err).Retryable() {
				t.Fatalf("try %d: send: %v", i, err)
			}
		}
		g.arrives()
		g.same()
	}
}

// TestCrashFetching: whichever part cannot be fetched, going on fetches only
// what was not verified, and the manifest.
func TestCrashFetching(t *testing.T) {
	f := newFixture(t)
	f.several()
	f.parked(protocol.KindReceipt)
	f.arrives()
	reads, worst := f.store.read, 0
	a, err := relay.Of(f.letters[len(f.letters)-1])
	if err != nil {
		t.Fatal(err)
	}
	manifest := a.Parts - int(a.Manifest)/a.Part
	for n := 1; n <= reads; n++ {
		g := newFixture(t)
		g.src, g.part, g.id, g.letters = f.src, f.part, f.id, f.letters
		g.store.published = f.store.published
		g.store.failRead = n
		if _, err := g.receive(); mft.CodeOf(err) != mft.CodeExpired {
			t.Fatalf("receive: %v, want code EXPIRED", err)
		}
		g.arrives()
		g.same()
		again := g.store.read - reads
		worst = max(worst, again)
		if most := manifest + atOnce; again > most {
			t.Errorf("part %d failed: %d of %d parts were fetched again, want at most %d: the manifest and what was under way", n, again, reads, most)
		}
	}
	t.Logf("%d failures, at most %d of %d parts fetched again, the manifest has %d", reads, worst, reads, manifest)
}

// manifestOf returns content and manifest of the parcel that is available.
func (f *fixture) manifestOf() (a relay.Available, content, manifest []byte) {
	a, err := relay.Of(f.letters[len(f.letters)-1])
	if err != nil {
		f.t.Fatal(err)
	}
	form := parcel.Form{Transfer: f.id, Key: a.Key, Part: a.Part}
	r := parcel.NewReader(f.t.Context(), form, parcel.Extent{Parts: a.Parts, Size: a.Size}, 1, (&f.store).fetch(a.Ref))
	defer r.Close()
	if err := r.Range(0, a.Size); err != nil {
		f.t.Fatal(err)
	}
	var whole bytes.Buffer
	if _, err := whole.ReadFrom(r); err != nil {
		f.t.Fatal(err)
	}
	content, packed := whole.Bytes()[:a.Manifest], whole.Bytes()[a.Manifest:]
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1))
	if err != nil {
		f.t.Fatal(err)
	}
	defer d.Close()
	if manifest, err = d.DecodeAll(packed, nil); err != nil {
		f.t.Fatal(err)
	}
	return a, content, manifest
}

// FuzzManifest: whatever a manifest says, a receiver writes nothing outside of
// its landing, and accepts nothing that the seal does not cover.
func FuzzManifest(f *testing.F) {
	for _, edit := range []func(m []byte) []byte{
		func(m []byte) []byte { return m },
		func(m []byte) []byte { return m[:len(m)/2] },
		func(m []byte) []byte { return nil },
		func(m []byte) []byte { return slices.Concat(m, m) },
		func(m []byte) []byte { return slices.Concat(m[len(m)/3:], m[:len(m)/3]) },
		func(m []byte) []byte { return bytes.ReplaceAll(m, []byte("d1"), []byte("..")) },
		func(m []byte) []byte { return bytes.ReplaceAll(m, []byte("f2"), []byte("//")) },
	} {
		f.Add(edit(seedManifest(f)), []byte(nil))
	}
	for i := range 24 { // a byte here and there
		m := seedManifest(f)
		at := i * len(m) / 24
		m[at] ^= 1 << (i % 8)
		f.Add(m, []byte(nil))
	}
	patched := seedPatched(f)
	f.Add(patched, []byte(nil))
	for i := range 12 {
		m := bytes.Clone(patched)
		at := i * len(m) / 12
		m[at] ^= 1 << (i % 8)
		f.Add(m, []byte(nil))
	}
	f.Fuzz(func(t *testing.T, manifest, content []byte) {
		g := newFixture(t)
		g.seedTree()
		g.rewrite(filepath.Join(g.dst, "big"), seedOld())
		g.parked(protocol.KindReceipt)
		a, good, _ := g.manifestOf()
		if len(content) == 0 {
			content = good
		}
		g.replace(&a, content, manifest)
		before := outside(t, g)
		_, err := g.receive()
		if err == nil {
			g.same()
		}
		if diff := outside(t, g); !slices.Equal(before, diff) {
			t.Errorf("what lies outside was %q, and is %q", before, diff)
		}
	})
}

// seedTree makes a tree with everything that a manifest can tell of.
func (f *fixture) seedTree() {
	f.id = mft.TransferID{1, 2, 3}
	for i := range 5 {
		f.write(fmt.Sprintf("d%d/f%d", i%2, i), noise(100*i))
	}
	f.write("big", noise(1<<20+5))
	if err := os.Symlink("big", filepath.Join(f.src, "link")); err != nil {
		f.t.Fatal(err)
	}
}

func seedManifest(f *testing.F) []byte {
	g := newFixture(f)
	g.seedTree()
	g.parked(protocol.KindReceipt)
	_, _, manifest := g.manifestOf()
	return manifest
}

// seedOld is an old version of the big file of seedTree.
func seedOld() []byte { return edited(noise(1<<20+5), 300<<10) }

// seedPatched is a manifest that copies from it.
func seedPatched(f *testing.F) []byte {
	g := newFixture(f)
	g.remembers(filepath.Join(f.TempDir(), "sent"))
	g.seedTree()
	g.again()
	g.write("big", seedOld())
	g.parked(protocol.KindReceipt)
	g.delivered[g.id] = true
	g.again()
	g.write("big", noise(1<<20+5))
	g.id = mft.TransferID{1, 2, 3}
	g.parked(protocol.KindReceipt)
	_, _, manifest := g.manifestOf()
	digest := protocol.HashOf(seedOld())
	if !bytes.Contains(manifest, digest[:]) {
		f.Fatal("it does not copy")
	}
	return manifest
}

// replace puts another parcel in the place of what is available, as its sender
// could.
func (f *fixture) replace(a *relay.Available, content, manifest []byte) {
	pack, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<20))
	if err != nil {
		f.t.Fatal(err)
	}
	whole := slices.Concat(content, pack.EncodeAll(manifest, nil))
	form := parcel.Form{Transfer: f.id, Key: a.Key, Part: a.Part}
	var sealed []byte
	a.Manifest, a.Size, a.Parts = int64(len(content)), int64(len(whole)), 0
	for rest := whole; len(rest) > 0 || a.Parts == 0; a.Parts++ {
		n := min(len(rest), a.Part)
		if sealed, err = form.Seal(sealed, a.Parts, rest[:n]); err != nil {
			f.t.Fatal(err)
		}
		rest = rest[n:]
	}
	f.store.published[a.Object] = sealed
	f.letters[len(f.letters)-1].Body = relay.AppendAvailable(nil, a)
}

// outside returns what lies beside the landing.
func outside(t *testing.T, f *fixture) []string {
	names := slices.Sorted(maps.Keys(tree(t, filepath.Dir(f.dst))))
	return slices.DeleteFunc(names, func(name string) bool {
		return strings.HasPrefix(name, "dst/") || strings.HasPrefix(name, "journal.db")
	})
}

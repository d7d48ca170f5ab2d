package protocol

import (
	"encoding/binary"
	"strings"
	"testing"

	"github.com/zeebo/blake3"
	"pgregory.net/rapid"

	"mft.dev/mft"
)

// manifestOf writes down what docs/protocol.md says, in another way than the
// code does, and hashes it at once.
func manifestOf(items []mft.Item, outcomes []Outcome, digests []mft.Digest) mft.Digest {
	str := func(s string) string { return string(binary.AppendUvarint(nil, uint64(len(s)))) + s }
	num := func(v uint64) string { return string(binary.AppendUvarint(nil, v)) }
	var all strings.Builder
	for i, it := range items {
		kind := byte(it.Type)
		if it.Extended != "" {
			kind |= 0x80
		}
		s := string([]byte{kind}) + str(it.Path) + num(uint64(it.Mode)) + string(binary.AppendVarint(nil, it.MTime))
		switch it.Type {
		case mft.ItemFile:
			s += num(uint64(it.Size))
		case mft.ItemSymlink:
			s += str(it.Target)
		}
		s += num(uint64(it.UID)) + num(uint64(it.GID)) + str(it.Owner) + str(it.Group)
		if it.Extended != "" {
			s += str(it.Extended)
		}
		all.WriteString(str(s) + string(rune(outcomes[i])))
		if it.Type == mft.ItemFile && outcomes[i] == Delivered {
			all.Write(digests[i][:])
		}
	}
	return blake3.Sum256([]byte(all.String()))
}

func TestManifest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		items := append(manyItems(rapid.IntRange(0, 200).Draw(t, "many")), slice(t, drawItem)...)
		outcomes, digests := make([]Outcome, len(items)), make([]mft.Digest, len(items))
		m := NewManifest()
		for i := range items {
			outcomes[i] = Outcome(rapid.IntRange(0, 3).Draw(t, "outcome"))
			digests[i] = mft.Digest{byte(i), 1}
			m.Add(&items[i], outcomes[i], digests[i])
			if rapid.IntRange(0, 9).Draw(t, "sum early") == 0 {
				got, want := m.Sum(), manifestOf(items[:i+1], outcomes, digests)
				if got != want {
					t.Fatalf("Sum after %d items = %v, want %v", i+1, got, want)
				}
			}
		}
		want := manifestOf(items, outcomes, digests)
		for range 2 {
			if got := m.Sum(); got != want {
				t.Fatalf("Sum of %d items = %v, want %v", len(items), got, want)
			}
		}
	})
}

// TestManifestDependsOnEverything changes one field of one item at a time.
func TestManifestDependsOnEverything(t *testing.T) {
	sum := func(change func(it *mft.Item, o *Outcome, d *mft.Digest)) mft.Digest {
		it, o, d := sampleItem(), Delivered, mft.Digest{1}
		change(&it, &o, &d)
		m := NewManifest()
		m.Add(&it, o, d)
		return m.Sum()
	}
	seen := map[mft.Digest]string{}
	for name, change := range map[string]func(it *mft.Item, o *Outcome, d *mft.Digest){
		"nothing":    func(it *mft.Item, o *Outcome, d *mft.Digest) {},
		"path":       func(it *mft.Item, o *Outcome, d *mft.Digest) { it.Path = "x" },
		"type":       func(it *mft.Item, o *Outcome, d *mft.Digest) { it.Type = mft.ItemDir },
		"size":       func(it *mft.Item, o *Outcome, d *mft.Digest) { it.Size++ },
		"mode":       func(it *mft.Item, o *Outcome, d *mft.Digest) { it.Mode++ },
		"mtime":      func(it *mft.Item, o *Outcome, d *mft.Digest) { it.MTime++ },
		"uid":        func(it *mft.Item, o *Outcome, d *mft.Digest) { it.UID++ },
		"gid":        func(it *mft.Item, o *Outcome, d *mft.Digest) { it.GID++ },
		"owner":      func(it *mft.Item, o *Outcome, d *mft.Digest) { it.Owner = "x" },
		"group":      func(it *mft.Item, o *Outcome, d *mft.Digest) { it.Group = "x" },
		"extended":   func(it *mft.Item, o *Outcome, d *mft.Digest) { it.Extended = "x" },
		"digest":     func(it *mft.Item, o *Outcome, d *mft.Digest) { d[31]++ },
		"failed":     func(it *mft.Item, o *Outcome, d *mft.Digest) { *o = Failed },
		"superseded": func(it *mft.Item, o *Outcome, d *mft.Digest) { *o = Superseded },
		"target": func(it *mft.Item, o *Outcome, d *mft.Digest) {
			it.Type, it.Size, it.Target = mft.ItemSymlink, 0, "x"
		},
	} {
		got := sum(change)
		if other, ok := seen[got]; ok {
			t.Errorf("%s and %s have the same manifest", name, other)
		}
		seen[got] = name
	}
	failed := func(it *mft.Item, o *Outcome, d *mft.Digest) { *o = Failed }
	failedOther := func(it *mft.Item, o *Outcome, d *mft.Digest) { *o, d[0] = Failed, 9 }
	if sum(failed) != sum(failedOther) {
		t.Errorf("the digest of an item that failed counts")
	}
}

func TestKeyOf(t *testing.T) {
	key := func(change func(it *mft.Item)) Key {
		it := sampleItem()
		change(&it)
		return KeyOf(&it)
	}
	link := func(target string) func(it *mft.Item) {
		return func(it *mft.Item) { it.Type, it.Size, it.Target = mft.ItemSymlink, 0, target }
	}
	plain := key(func(it *mft.Item) {})
	for name, tc := range map[string]struct {
		change func(it *mft.Item)
		same   bool
	}{
		"path":             {func(it *mft.Item) { it.Path = "reports/june.csv" }, false},
		"type":             {func(it *mft.Item) { it.Type = mft.ItemDir }, false},
		"size":             {func(it *mft.Item) { it.Size++ }, false},
		"mtime":            {func(it *mft.Item) { it.MTime++ }, false},
		"mode":             {func(it *mft.Item) { it.Mode = 0o600 }, true},
		"owner":            {func(it *mft.Item) { it.UID, it.Owner = 0, "root" }, true},
		"group":            {func(it *mft.Item) { it.GID, it.Group = 0, "root" }, true},
		"extended":         {func(it *mft.Item) { it.Extended = "x" }, true},
		"a very long path": {func(it *mft.Item) { it.Path = strings.Repeat("p", MaxPath) }, false},
	} {
		if got := key(tc.change); (got == plain) != tc.same {
			t.Errorf("KeyOf with another %s: same = %t, want %t", name, got == plain, tc.same)
		}
	}
	if key(link("a")) == key(link("b")) {
		t.Errorf("KeyOf of symlinks to two targets is the same")
	}
	it := sampleItem()
	in := "\x01\x0freports/may.csv" + string(binary.AppendVarint(nil, it.MTime)) + "\xe8\x07"
	if got, want := KeyOf(&it), blake3.Sum256([]byte(in)); string(got[:]) != string(want[:16]) {
		t.Errorf("KeyOf = %x, want %x", got, want[:16])
	}
}

// TestManifestCoversListings changes one byte of what was said of directories
// at a time.
func TestManifestCoversListings(t *testing.T) {
	sum := func(listing, answer, listed byte) mft.Digest {
		m := NewManifest()
		m.Compared([]byte{listing}, answer)
		m.Listed([]byte{listed})
		return m.Sum()
	}
	seen := map[mft.Digest]string{NewManifest().Sum(): "no listing"}
	for name, got := range map[string]mft.Digest{
		"nothing changed": sum(1, 0, 3), "listing": sum(2, 0, 3), "answer": sum(1, 1, 3), "listed": sum(1, 0, 4),
	} {
		if other, ok := seen[got]; ok {
			t.Errorf("the manifest is the same with %q and with %q", name, other)
		}
		seen[got] = name
	}
	none, one, two := blake3.Sum256(nil), blake3.Sum256([]byte{1, 0}), blake3.Sum256([]byte{3})
	// As docs/protocol.md has it.
	if got, want := sum(1, 0, 3), mft.Digest(blake3.Sum256(append(append(none[:], one[:]...), two[:]...))); got != want {
		t.Errorf("Sum = %v, want %v", got, want)
	}
}

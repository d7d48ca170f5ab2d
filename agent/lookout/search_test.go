package lookout

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"mft.dev/mft/internal/confine"
	"mft.dev/mft/trigger"
)

// tree makes directories of many sizes and returns the source.
func tree(t *testing.T) Local {
	t.Helper()
	root := t.TempDir()
	for dir, files := range map[string]int{"": 1, "empty": 0, "a": PartFiles, "a/b": PartFiles + 1, "many": 3*maxAsked + 7, "n\xff": 2} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Skip(err)
		}
		for n := range files {
			put(t, root, filepath.Join(dir, fmt.Sprintf("f%04d", n)), "x")
		}
	}
	for n := range 2 * MaxParts / 3 {
		if err := os.Mkdir(filepath.Join(root, fmt.Sprintf("d%04d", n)), 0o755); err != nil {
			t.Fatal(err)
		}
		put(t, root, fmt.Sprintf("d%04d/f", n), "x")
	}
	return Local{Root: root}
}

func put(t *testing.T, root, name, content string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(root, name), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// A record is what a look came to.
type record struct {
	seen  map[string]confine.Identity
	parts []trigger.Part
}

// look looks at everything, not at what wanted says no to.
func look(t *testing.T, at Local, wanted func(trigger.Part) bool) record {
	t.Helper()
	r := record{seen: map[string]confine.Identity{}}
	s := Search{Paths: []string{""}, Deep: true, Key: [16]byte{1}}
	var left uint32
	if wanted != nil {
		s.Known = func(parts []trigger.Part) ([]bool, error) {
			var files uint32
			known := make([]bool, len(parts))
			if left != 0 {
				t.Errorf("%d files of the parts before have not come", left)
			}
			for i, p := range parts {
				files += p.Files
				if known[i] = !wanted(p); !known[i] {
					left += p.Files
				}
				if p.Files == 0 || p.Files > PartFiles || p.Look == 0 {
					t.Errorf("there is a part %+v", p)
				}
			}
			if len(parts) > MaxParts || files > maxAsked {
				t.Errorf("it asks about %d files in %d parts at once", files, len(parts))
			}
			r.parts = append(r.parts, parts...)
			return known, nil
		}
	}
	err := at.Look(t.Context(), s, func(p string, id confine.Identity, err error) error {
		if _, twice := r.seen[p]; twice || err != nil {
			t.Errorf("%q, again: %v, %v", p, twice, err)
		}
		r.seen[p] = id
		left--
		return nil
	})
	if err != nil || wanted != nil && left != 0 {
		t.Errorf("Look: %v, %d files have not come", err, left)
	}
	return r
}

// TestParts: whoever knows nothing hears of everything, and of what is known nothing is
// heard.
func TestParts(t *testing.T) {
	at := tree(t)
	all := look(t, at, nil)
	some := look(t, at, func(trigger.Part) bool { return true })
	if !maps.Equal(all.seen, some.seen) || len(all.seen) == 0 {
		t.Errorf("with parts there are %d files, without %d", len(some.seen), len(all.seen))
	}
	if none := look(t, at, func(trigger.Part) bool { return false }); len(none.seen) != 0 || !slices.Equal(none.parts, some.parts) {
		t.Errorf("%d files are told of though all are known, or there are other parts", len(none.seen))
	}
	only := some.parts[len(some.parts)/2]
	if one := look(t, at, func(p trigger.Part) bool { return p == only }); len(one.seen) != int(only.Files) {
		t.Errorf("%d files are told of, want those of one part, %d", len(one.seen), only.Files)
	}
}

// TestPartsLookOther: a part looks other when anything in it is, and no other part does.
func TestPartsLookOther(t *testing.T) {
	at := tree(t)
	name := func(n string) string { return filepath.Join(at.Root, n) }
	for _, tt := range []struct {
		what   string
		change func() error
		other  int // parts that are other now, or new
	}{
		{"nothing", func() error { return nil }, 0},
		{"content", func() error { return os.WriteFile(name("a/f0050"), []byte("new"), 0o600) }, 1},
		{"permissions", func() error { return os.Chmod(name("a/f0051"), 0o644) }, 1},
		{"a new file at the end", func() error { return os.WriteFile(name("a/g"), nil, 0o600) }, 1},
		{"two are exchanged", func() error {
			return errors.Join(os.Rename(name("d0001/f"), name("d0001/g")), os.Rename(name("d0002/f"), name("d0001/f")), os.Rename(name("d0001/g"), name("d0002/f")))
		}, 2},
		{"a directory has another name", func() error { return os.Rename(name("a/b"), name("a/c")) }, 2},
		{"a file is gone", func() error { return os.Remove(name("n\xff/f0001")) }, 1},
	} {
		now := map[trigger.Part]bool{}
		for _, p := range look(t, at, func(trigger.Part) bool { return true }).parts {
			now[p] = true
		}
		if err := tt.change(); err != nil {
			t.Fatal(err)
		}
		other := 0
		for _, p := range look(t, at, func(trigger.Part) bool { return true }).parts {
			if !now[p] {
				other++
			}
		}
		if other != tt.other {
			t.Errorf("%s: %d parts look other, want %d", tt.what, other, tt.other)
		}
	}
}

// TestPartsOfNone: what is looked at by itself is in no part, and Known ends a look.
func TestPartsOfNone(t *testing.T) {
	at, stop := tree(t), errors.New("enough")
	asked := 0
	s := Search{Paths: []string{"a/f0001", "a/b", "f0000"}, Deep: true, Known: func(parts []trigger.Part) ([]bool, error) {
		asked++
		return make([]bool, len(parts)), nil
	}}
	var heard []string
	see := func(p string, _ confine.Identity, err error) error {
		heard = append(heard, p)
		return err
	}
	if err := at.Look(t.Context(), s, see); err != nil || asked != 1 || len(heard) != PartFiles+3 || heard[0] != "a/f0001" || heard[len(heard)-1] != "f0000" {
		t.Errorf("%v, it asked %d times and told of %q", err, asked, heard)
	}
	s.Known = func([]trigger.Part) ([]bool, error) { return nil, stop }
	if err := at.Look(t.Context(), s, see); !errors.Is(err, stop) {
		t.Errorf("%v, want what Known said", err)
	}
}

package scene

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"mft.dev/mft"
	"mft.dev/mft/agent/source"
)

// TestWholeTellsWhatStays: what limits and the policy for links keep at a destination is told
// as that, else a rehearsal would take it for removed.
func TestWholeTellsWhatStays(t *testing.T) {
	root := t.TempDir()
	for name, size := range map[string]int{"small": 1, "large": 100, "out.tmp": 1} {
		if err := os.WriteFile(filepath.Join(root, name), make([]byte, size), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("small", filepath.Join(root, "link")); err != nil {
		t.Skip(err)
	}
	for policy, link := range map[mft.Symlinks]string{mft.SymlinksCopy: "moves", mft.SymlinksSkip: "stays", mft.SymlinksRefuse: string(mft.CodeLinkRefused)} {
		p := source.Place{Channel: root, Select: mft.Selection{Rules: []string{"- *.tmp"}, MaxSize: 10, Symlinks: policy}}
		got := map[string]string{}
		err := Whole(t.Context(), "c", mft.DefaultMirror(), p, func(thing Thing) error {
			switch {
			case thing.Stays:
				got[thing.Path] = "stays"
			case thing.Err != nil:
				got[thing.Path] = string(mft.CodeOf(thing.Err))
			default:
				got[thing.Path] = "moves"
			}
			return nil
		})
		if want := map[string]string{"small": "moves", "large": "stays", "link": link}; err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("with %s: Whole tells of %v, %v, want %v", policy, got, err, want)
		}
	}
}

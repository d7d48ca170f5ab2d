//go:build !portable

package confine

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"mft.dev/mft"
)

// maxOpen is how many descriptors package beneath keeps for later.
const maxOpen = 64

// openDescriptors returns how many descriptors lead below top.
func openDescriptors(t *testing.T, top string) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skipf("descriptors cannot be counted: %v", err)
	}
	n := 0
	for _, e := range entries {
		if target, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil && strings.HasPrefix(target, top) {
			n++
		}
	}
	return n
}

func TestDescriptorsAreBounded(t *testing.T) {
	const many = 3 * maxOpen
	y := newYard(t, Open)
	dirs := make([]*Dir, many)
	for i := range dirs {
		rel := fmt.Sprintf("many/%d", i)
		if _, err := y.MkdirAll(rel, 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		if dirs[i], err = y.Dir(rel); err != nil {
			t.Fatal(err)
		}
	}
	if got := openDescriptors(t, y.in); got > maxOpen+1 {
		t.Errorf("%d directories keep %d descriptors open, want at most %d", many, got, maxOpen+1)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i, d := range dirs {
				f, err := d.Create("f")
				if err != nil && mft.CodeOf(err) != mft.CodeExists {
					t.Errorf("Create in directory %d: %v", i, err)
				}
				if f != nil {
					f.Close()
				}
				if i%50 == 0 {
					y.FlushCache()
				}
			}
		})
	}
	wg.Wait()
	if got := openDescriptors(t, y.in); got > maxOpen+1 {
		t.Errorf("afterwards %d descriptors are open, want at most %d", got, maxOpen+1)
	}
	y.FlushCache()
	if got := openDescriptors(t, y.in); got != 1 {
		t.Errorf("after FlushCache %d descriptors are open, want that of the root", got)
	}
	if _, err := dirs[0].Lstat("f"); err != nil {
		t.Errorf("Lstat after FlushCache: %v", err)
	}
	if err := y.Close(); err != nil {
		t.Fatal(err)
	}
	if got := openDescriptors(t, y.in); got != 0 {
		t.Errorf("after Close %d descriptors are open", got)
	}
}

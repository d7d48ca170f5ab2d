package scan_test

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"mft.dev/mft"
)

// A tree whose paths grow longer than a manifest carries ends in an error, not
// in descriptors running out.
func TestDeepTree(t *testing.T) {
	top := t.TempDir()
	name := strings.Repeat("n", 30)
	s := open(t, top+"/")
	levels := 0
	for depth, d := 0, must(s.Root.Dir("")); depth < 140; depth++ {
		if err := d.Mkdir(name, 0o755); err != nil {
			t.Fatal(err)
		}
		d = must(d.Dir(name))
		levels++
	}
	n, tooLong := 0, 0
	for e, err := range s.Items(t.Context()) {
		switch {
		case err == nil:
			n++
		case mft.CodeOf(err) == mft.CodeNameTooLong && e.Item.Path != "":
			tooLong++
		default:
			t.Fatal(err)
		}
	}
	if want := (4096 + 1) / (len(name) + 1); n != want || tooLong != 1 {
		t.Errorf("of %d levels %d are items, %d too long; want %d and 1", levels, n, tooLong, want)
	}
	if err := s.Root.RemoveAll(name); err != nil {
		t.Errorf("RemoveAll: %v", err) // os.RemoveAll could not
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// A huge directory is walked with little memory, and whole.
func TestHugeDirectory(t *testing.T) {
	if testing.Short() {
		t.Skip("this makes many names")
	}
	const perFile = 20_000
	many := 300_000
	if raceDetector {
		many = 30_000 // it makes everything ten times slower
	}
	// In memory it takes a second to make them.
	top, err := os.MkdirTemp("/dev/shm", "scan")
	if err != nil {
		top = t.TempDir()
	}
	defer os.RemoveAll(top)
	for i := range many {
		name := filepath.Join(top, fmt.Sprintf("name-that-is-neither-short-nor-long-%06d", i))
		var err error
		if first := i - i%perFile; i == first {
			err = os.WriteFile(name, nil, 0o644)
		} else {
			// A second name is made faster than a file.
			err = os.Link(filepath.Join(top, fmt.Sprintf("name-that-is-neither-short-nor-long-%06d", first)), name)
		}
		if err != nil {
			t.Skipf("this file system does not take so many names: %v", err)
		}
	}
	s := open(t, top+"/")
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before, most, n := heap(), uint64(0), 0
	for _, err := range s.Items(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if n++; n%(many/6) == 1 {
			most = max(most, heap())
		}
	}
	if n != many {
		t.Errorf("the walk gave %d items, want %d", n, many)
	}
	const limit = 2 << 20
	if most > before+limit {
		t.Errorf("the walk holds %d bytes, want less than %d", most-before, limit)
	}
}

//go:build unix

package receiver

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

func TestSparseFileStaysSparse(t *testing.T) {
	f := newFixture(t)
	const size = 300 << 20
	p := filepath.Join(f.src, "sparse")
	w, err := os.Create(p)
	if err != nil {
		t.Fatal(err)
	}
	for _, off := range []int64{0, 100 << 20, 200<<20 + 12345} {
		if _, err := w.WriteAt(randomBytes(uint64(off), 70000), off); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Truncate(size); err != nil {
		t.Fatal(err)
	}
	w.Close()
	f.deliver()
	wantSame(t, f.src, f.dst)
	if got := allocated(t, filepath.Join(f.dst, "sparse")); got > 10<<20 {
		t.Errorf("the copy takes %d bytes of disk, the holes were filled", got)
	}
}

func allocated(t *testing.T, path string) int64 {
	t.Helper()
	fi, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return fi.Sys().(*syscall.Stat_t).Blocks * 512
}

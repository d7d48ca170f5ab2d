//go:build unix

package receiver

import (
	"bytes"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
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

func TestDeltaLeavesHoles(t *testing.T) {
	f := newFixture(t)
	old := randomBytes(1, 4<<20)
	f.old("big", bytes.Join([][]byte{old, make([]byte, 8<<20), old[:99]}, nil))
	f.write("big", old, 0o644)
	p := filepath.Join(f.src, "big")
	w, err := os.OpenFile(p, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.WriteAt(old[:1<<20], 12<<20); err != nil {
		t.Fatal(err)
	}
	w.Close()
	before := time.Now().Add(-time.Hour)
	if err := os.Chtimes(p, before, before); err != nil {
		t.Fatal(err)
	}
	f.deliver()
	wantSame(t, f.src, f.dst)
	if got := allocated(t, filepath.Join(f.dst, "big")); got > 6<<20 {
		t.Errorf("the copy takes %d bytes of disk, the holes were filled", got)
	}
}

//go:build unix

package blake3

import (
	"testing"

	"golang.org/x/sys/unix"
)

// TestNothingBeyond puts contents directly before, and directly after, memory
// that must not be touched.
func TestNothingBeyond(t *testing.T) {
	needKernel(t)
	page := unix.Getpagesize()
	all, err := unix.Mmap(-1, 0, 3*page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Munmap(all); err != nil {
			t.Error(err)
		}
	})
	mine := all[page : 2*page]
	copy(mine, noise(page))
	for _, forbidden := range [][]byte{all[:page], all[2*page:]} {
		if err := unix.Mprotect(forbidden, unix.PROT_NONE); err != nil {
			t.Fatal(err)
		}
	}
	for size := range chunkSize + 1 {
		in := make([]lane, width)
		for i := range in {
			in[i].content = mine[len(mine)-max(0, size-i):]
		}
		check(t, "at the end", in)
		for i := range in {
			in[i].content = mine[:max(0, size-i)]
		}
		check(t, "at the beginning", in)
	}
}

//go:build unix

package follow

import (
	"os"

	"golang.org/x/sys/unix"
)

// Columns returns the width of the terminal that f is, 0 when it is none.
func Columns(f *os.File) int {
	size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return 0
	}
	if size.Col == 0 {
		return 80 // a terminal that does not know, as on a serial line
	}
	return int(size.Col)
}

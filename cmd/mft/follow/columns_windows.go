package follow

import (
	"os"

	"golang.org/x/sys/windows"
)

// Columns returns the width of the terminal that f is, 0 when it is none or
// cannot move its cursor as progress.Frame tells it to.
func Columns(f *os.File) int {
	handle := windows.Handle(f.Fd())
	var mode uint32
	if err := windows.GetConsoleMode(handle, &mode); err != nil {
		return 0
	}
	if err := windows.SetConsoleMode(handle, mode|windows.ENABLE_VIRTUAL_TERMINAL_PROCESSING); err != nil {
		return 0
	}
	var info windows.ConsoleScreenBufferInfo
	if err := windows.GetConsoleScreenBufferInfo(handle, &info); err != nil {
		return 0
	}
	return int(info.Window.Right-info.Window.Left) + 1
}

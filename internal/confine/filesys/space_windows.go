package filesys

import (
	"os"

	"golang.org/x/sys/windows"
)

// FreeOf returns what is left of the file system of an open directory.
func FreeOf(dir *os.File) (Space, error) {
	name, err := windows.UTF16PtrFromString(dir.Name())
	if err != nil {
		return Space{}, err
	}
	var available uint64
	if err := windows.GetDiskFreeSpaceEx(name, &available, nil, nil); err != nil {
		return Space{}, err
	}
	return Space{Bytes: product(available, 1), Inodes: -1}, nil
}

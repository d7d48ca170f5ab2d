//go:build unix

package identity

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// checkPrivate refuses a file that others than its owner may read or write.
func checkPrivate(info fs.FileInfo) error {
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return fmt.Errorf("its mode is %04o: others than its owner may use it; make it 0600", mode)
	}
	return nil
}

// checkOwned refuses a file that others than its owner may write.
func checkOwned(info fs.FileInfo) error {
	if mode := info.Mode().Perm(); mode&0o022 != 0 {
		return fmt.Errorf("its mode is %04o: others than its owner may write to it; make it 0600", mode)
	}
	return nil
}

// checkDir refuses a directory in which others could replace files.
func checkDir(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if mode := info.Mode().Perm(); mode&0o022 != 0 {
		return fmt.Errorf("its mode is %04o: others than its owner may write to it; make it 0700", mode)
	}
	return nil
}

func isFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC)
}

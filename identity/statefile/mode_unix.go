//go:build unix

package statefile

import (
	"fmt"
	"io/fs"
)

func checkMode(info fs.FileInfo, forbidden fs.FileMode, verb, remedy string) error {
	if mode := info.Mode().Perm(); mode&forbidden != 0 {
		return fmt.Errorf("its mode is %04o: others than its owner may %s; make it %s", mode, verb, remedy)
	}
	return nil
}

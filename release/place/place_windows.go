package place

import (
	"errors"
	"io/fs"
	"os"
)

// keep does nothing: replace moves the binary to Previous.
func (p *Place) keep() error { return nil }

// replace moves what is at to aside first: a program that runs can be renamed,
// and not replaced. If the second rename fails, the first is undone.
func replace(from, to, aside string) error {
	if err := removeIfThere(aside); err != nil {
		return err
	}
	if err := os.Rename(to, aside); err != nil {
		return err
	}
	if err := os.Rename(from, to); err != nil {
		return errors.Join(err, os.Rename(aside, to))
	}
	return nil
}

// sameOwner does nothing: a new file has the rights of its directory.
func sameOwner(*os.File, fs.FileInfo) error { return nil }

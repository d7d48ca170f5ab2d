package content

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// A Look says how closely a copy is looked at.
type Look struct {
	// Since is the time of modification from which on the content of a file is
	// compared; files that are older are compared by name, size and time.
	Since time.Time
	// Timeless does not compare times.
	Timeless bool
}

// Compare returns an error that names the first difference between a file or
// tree and its copy. Names, kinds, sizes, times of files and content count.
func Compare(source, copied string, look Look) error {
	a, err := os.Lstat(source)
	if err != nil {
		return err
	}
	b, err := os.Lstat(copied)
	if err != nil {
		return missing(copied, err)
	}
	if a.IsDir() && b.IsDir() {
		return compareDir(source, copied, look)
	}
	return compareFile(source, copied, a, b, look)
}

func missing(path string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s is not there", filepath.Base(path))
	}
	return err
}

func compareDir(source, copied string, look Look) error {
	as, err := os.ReadDir(source)
	if err != nil {
		return err
	}
	bs, err := os.ReadDir(copied)
	if err != nil {
		return err
	}
	for i := range max(len(as), len(bs)) {
		switch {
		case i == len(bs) || i < len(as) && as[i].Name() < bs[i].Name():
			return fmt.Errorf("%s is not there", as[i].Name())
		case i == len(as) || as[i].Name() > bs[i].Name():
			return fmt.Errorf("%s should not be there", bs[i].Name())
		}
		if err := Compare(filepath.Join(source, as[i].Name()), filepath.Join(copied, bs[i].Name()), look); err != nil {
			return err
		}
	}
	return nil
}

func compareFile(source, copied string, a, b fs.FileInfo, look Look) error {
	switch {
	case a.Mode().Type() != b.Mode().Type():
		return fmt.Errorf("%s is another kind of thing", a.Name())
	case a.Size() != b.Size():
		return fmt.Errorf("%s has %d bytes instead of %d", a.Name(), b.Size(), a.Size())
	case !look.Timeless && !a.ModTime().Equal(b.ModTime()):
		return fmt.Errorf("%s has time %s instead of %s", a.Name(), b.ModTime().UTC(), a.ModTime().UTC())
	case a.ModTime().Before(look.Since):
		return nil
	}
	return sameContent(source, copied)
}

// sameContent compares two files of one size.
func sameContent(source, copied string) error {
	a, err := os.Open(source)
	if err != nil {
		return err
	}
	defer a.Close()
	b, err := os.Open(copied)
	if err != nil {
		return err
	}
	defer b.Close()
	info, err := a.Stat()
	if err != nil {
		return err
	}
	size := min(1<<20, max(1, info.Size()))
	x, y := make([]byte, size), make([]byte, size)
	for at := int64(0); ; {
		n, err := io.ReadFull(a, x)
		m, errB := io.ReadFull(b, y)
		if !bytes.Equal(x[:n], y[:m]) {
			return fmt.Errorf("%s differs after byte %d", filepath.Base(source), at)
		}
		at += int64(n)
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil
		}
		if err := errors.Join(err, errB); err != nil {
			return err
		}
	}
}

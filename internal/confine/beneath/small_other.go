//go:build !linux || portable

package beneath

import (
	"io"
	"os"

	"mft.dev/mft/internal/confine/filesys"
)

// ReadSmall reads the regular file name until buf is full or it ends, and
// then looks at it.
func (h Handle) ReadSmall(name string, buf []byte) (int, filesys.Identity, error) {
	f, _, err := h.openRegular(name, os.O_RDONLY)
	if err != nil {
		return 0, filesys.Identity{}, err
	}
	defer f.Close()
	n, err := io.ReadFull(f, buf)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return 0, filesys.Identity{}, err
	}
	fi, err := f.Stat()
	if err != nil {
		return 0, filesys.Identity{}, err
	}
	return n, filesys.Stamp(fi), nil
}

// WriteSmall makes the file name and gives it content and attributes.
func (h Handle) WriteSmall(name string, content []byte, a filesys.Attributes, _ *filesys.Made) error {
	f, err := h.Create(name, "")
	if filesys.IsBadName(err) {
		return filesys.RefuseName()
	}
	if err != nil {
		return err
	}
	if _, err = f.Write(content); err == nil {
		err = filesys.SetAttributes(f, a)
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	return err
}

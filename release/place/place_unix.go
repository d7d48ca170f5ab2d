//go:build unix

package place

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"mft.dev/mft/internal/durable"
)

// keep makes Previous a second name of the binary, or a copy where the file
// system has no links.
func (p *Place) keep() error {
	part := filepath.Join(filepath.Dir(p.Previous), ".mft-previous.part")
	if err := removeIfThere(part); err != nil {
		return err
	}
	if err := os.Link(p.Binary, part); err != nil {
		if part, err = copyOf(p.Binary); err != nil {
			return err
		}
	}
	if err := os.Rename(part, p.Previous); err != nil {
		return errors.Join(err, removeIfThere(part))
	}
	// Two names of one file: the rename has done nothing, see rename(2).
	if err := removeIfThere(part); err != nil {
		return err
	}
	return durable.SyncDir(filepath.Dir(p.Previous))
}

// replace takes one rename; what was there is Previous already.
func replace(from, to, _ string) error { return os.Rename(from, to) }

// sameOwner gives f the owner of another file, if this process may.
func sameOwner(f *os.File, info fs.FileInfo) error {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || os.Geteuid() != 0 {
		return nil
	}
	return f.Chown(int(st.Uid), int(st.Gid))
}

// copyOf makes a durable copy of a file beside it, with its mode.
func copyOf(path string) (part string, err error) {
	in, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer in.Close() // only read from
	info, err := in.Stat()
	if err != nil {
		return "", err
	}
	out, err := os.CreateTemp(filepath.Dir(path), partPattern)
	if err != nil {
		return "", err
	}
	_, err = io.Copy(out, in)
	if err == nil {
		err = out.Chmod(info.Mode().Perm())
	}
	if err == nil {
		err = sameOwner(out, info)
	}
	if err == nil {
		err = out.Sync()
	}
	if e := out.Close(); err == nil {
		err = e
	}
	if err != nil {
		return "", errors.Join(err, removeIfThere(out.Name()))
	}
	return out.Name(), nil
}

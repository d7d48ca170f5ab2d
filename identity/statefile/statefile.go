// Package statefile keeps the small JSON files of an agent that say whom it
// trusts and who it is: written durably and for their owner only, read only
// when nobody else could have changed or, for keys, seen them.
//
// It knows nothing of what is in them.
package statefile

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"mft.dev/mft"
	"mft.dev/mft/internal/durable"
)

// Write replaces the file at path by v in JSON, for the owner only, and returns
// once that is on stable storage. The error is an *mft.Error that says op and
// path.
func Write(op, path string, v any) error {
	content, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return mft.Fail(mft.CodeInternal, op, path, err)
	}
	if err := durable.WriteFile(path, append(content, '\n'), 0o600); err != nil {
		return mft.Fail(durable.Code(err), op, path, err)
	}
	return nil
}

// A Check reports what is wrong with who may use a file.
type Check func(fs.FileInfo) error

// Private refuses a file that others than its owner may read or write. Where
// there are no mode bits, the directory decides who may: on Windows that is
// the profile of the service account or an administrator's choice.
func Private(info fs.FileInfo) error { return checkMode(info, 0o077, "use it", "0600") }

// Owned refuses a file that others than its owner may write to.
func Owned(info fs.FileInfo) error { return checkMode(info, 0o022, "write to it", "0600") }

// OwnedDir refuses a directory in which others than its owner could replace
// files.
func OwnedDir(info fs.FileInfo) error { return checkMode(info, 0o022, "write to it", "0700") }

// MakePrivateDir makes a directory for the owner only if there is none, and
// refuses one in which others could replace files. The error is an *mft.Error.
func MakePrivateDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return mft.Fail(durable.Code(err), "make directory", dir, err)
	}
	info, err := os.Stat(dir)
	if err != nil {
		return mft.Fail(durable.Code(err), "look at directory", dir, err)
	}
	if err := OwnedDir(info); err != nil {
		return mft.Fail(mft.CodeConfig, "check", dir, err)
	}
	if err := durable.SyncDir(filepath.Dir(dir)); err != nil {
		return mft.Fail(durable.Code(err), "make directory", dir, err)
	}
	return nil
}

// Read reads the file at path into v if allowed finds nothing wrong with it:
// the file that is checked is the file that is read. Unknown fields, and
// anything behind the value, are refused. The error is an *mft.Error that says
// op and path: of code mft.CodeNotFound when there is no such file,
// mft.CodeConfig when it is not allowed, mft.CodeCorrupt when it cannot be
// understood; it never quotes the content.
func Read(op, path string, allowed Check, v any) error {
	content, err := readFile(path, allowed)
	if err != nil {
		return mft.Fail(durable.Code(err), op, path, err)
	}
	if decodeStrict(content, v) != nil {
		return mft.Fail(mft.CodeCorrupt, op, path, errors.New("the file is not what mft wrote"))
	}
	return nil
}

func readFile(path string, allowed Check) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() // only read from
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if err := allowed(info); err != nil {
		return nil, mft.Fail(mft.CodeConfig, "check", path, err)
	}
	return io.ReadAll(f)
}

// decodeStrict refuses unknown fields and anything after the value.
func decodeStrict(content []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(content))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("something follows the value")
	}
	return nil
}

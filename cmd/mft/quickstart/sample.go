package quickstart

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"mft.dev/mft"
	"mft.dev/mft/internal/confine/filesys"
)

// sampleSize is the size of a sample in bytes.
const sampleSize = 1 << 20

// dropSample writes a new file into the outbox and returns its path. Nobody
// is told that it is there.
func (s *show) dropSample() (path string, err error) {
	content := make([]byte, sampleSize)
	if _, err := rand.Read(content); err != nil {
		return "", mft.Fail(mft.CodeIO, "make a sample", "", err)
	}
	for n := 1; ; n++ {
		name := fmt.Sprintf("sample-%d.bin", n)
		path := filepath.Join(s.outbox(), name)
		if _, err := os.Lstat(filepath.Join(s.inbox(), name)); err == nil {
			continue
		}
		f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return "", mft.Fail(filesys.CodeFor(err), "make a sample", path, filesys.Cause(err))
		}
		_, werr := f.Write(content)
		if err := errors.Join(werr, f.Close()); err != nil {
			return "", mft.Fail(filesys.CodeFor(err), "make a sample", path, filesys.Cause(err))
		}
		return path, nil
	}
}

// sha256Of reads a file whole and returns its hash and size.
func sha256Of(path string) (sum string, size int64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return "", 0, mft.Fail(filesys.CodeFor(err), "read", path, filesys.Cause(err))
	}
	defer f.Close()
	h := sha256.New()
	if size, err = io.Copy(h, f); err != nil {
		return "", 0, mft.Fail(filesys.CodeFor(err), "read", path, filesys.Cause(err))
	}
	return hex.EncodeToString(h.Sum(nil)), size, nil
}

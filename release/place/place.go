// Package place puts the binary of another version where the one of this host
// is, in steps after each of which a whole, working binary stands there.
//
//	p := place.Of("/usr/local/bin/mft")
//	err := p.Stage(ctx, content, binary)   // mft.next, verified
//	err = p.Swap(binary)                   // mft.previous, and mft
//
// Only Swap touches the binary itself, by one rename. On Windows a
// program that runs cannot be renamed over, so it takes two; a crash exactly
// between them leaves mft.previous.exe alone.
//
// The package starts no program and decides nothing.
package place

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"mft.dev/mft"
	"mft.dev/mft/internal/durable"
	"mft.dev/mft/release"
)

// A Place is where the binary of a host is. Nobody else may write to its
// directory, and one process at a time uses a Place.
type Place struct {
	// Binary is what runs; Next and Previous lie beside it.
	Binary, Next, Previous string

	// step is called after each thing that is durable; tests end there.
	step func(name string) error
}

// Of returns the place of the binary at path, absolute and without links.
func Of(path string) *Place {
	name, ext := path, ""
	if strings.EqualFold(filepath.Ext(path), ".exe") {
		ext = filepath.Ext(path)
		name = strings.TrimSuffix(path, ext)
	}
	return &Place{
		Binary: path, Next: name + ".next" + ext, Previous: name + ".previous" + ext,
		step: func(string) error { return nil },
	}
}

// partPattern is what a binary is called while it comes.
const partPattern = ".mft-*.part"

// Stage writes the content of b to Next. On return of nil Next is whole and on
// stable storage; after an error it is what it was before. Content that is not
// that of b is mft.CodeBadRelease.
func (p *Place) Stage(ctx context.Context, content io.Reader, b release.Binary) error {
	const op = "stage binary"
	info, err := os.Stat(p.Binary)
	if err != nil {
		return fail(op, p.Binary, err)
	}
	f, err := os.CreateTemp(filepath.Dir(p.Binary), partPattern)
	if err != nil {
		return fail(op, p.Next, err)
	}
	err = fill(ctx, f, content, b)
	if err == nil {
		// Whoever may run the old one may run the new one.
		err = f.Chmod(info.Mode().Perm() | 0o500)
	}
	if err == nil {
		err = sameOwner(f, info)
	}
	if err == nil {
		err = f.Sync()
	}
	// A failure to close may be the only report of a lost write.
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = p.step("written")
	}
	if err == nil {
		err = os.Rename(f.Name(), p.Next)
	}
	if err != nil {
		return fail(op, p.Next, errors.Join(err, removeIfThere(f.Name())))
	}
	if err := durable.SyncDir(filepath.Dir(p.Next)); err != nil {
		return fail(op, p.Next, err)
	}
	return p.step("staged")
}

// fill copies what b announces and holds it to that.
func fill(ctx context.Context, to io.Writer, content io.Reader, b release.Binary) error {
	sum := sha256.New()
	n, err := io.Copy(io.MultiWriter(to, sum), io.LimitReader(reader{ctx, content}, b.Size+1))
	if err != nil {
		return err
	}
	return compare(n, sum.Sum(nil), b)
}

// compare holds a length and a digest to what was announced.
func compare(n int64, sum []byte, b release.Binary) error {
	switch {
	case n > b.Size:
		return badBinary(b, "it is longer than announced")
	case n < b.Size:
		return badBinary(b, fmt.Sprintf("it has %d bytes and not %d", n, b.Size))
	case hex.EncodeToString(sum) != b.SHA256:
		return badBinary(b, "its SHA-256 is not the one that was signed")
	}
	return nil
}

func badBinary(b release.Binary, why string) error {
	return mft.Fail(mft.CodeBadRelease, "verify", b.File, errors.New(why))
}

// A reader ends with its context.
type reader struct {
	ctx context.Context
	r   io.Reader
}

func (r reader) Read(b []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(b)
}

// Verify reports whether the file at path is b. The error is
// mft.CodeBadRelease when it is not, mft.CodeNotFound when there is none.
func Verify(path string, b release.Binary) error {
	const op = "verify binary"
	f, err := os.Open(path)
	if err != nil {
		return fail(op, path, err)
	}
	defer f.Close() // only read from
	sum := sha256.New()
	n, err := io.Copy(sum, io.LimitReader(f, b.Size+1))
	if err == nil {
		err = compare(n, sum.Sum(nil), b)
	}
	if err != nil {
		return fail(op, path, err)
	}
	return nil
}

// Swap makes Next the binary, and what that was Previous. Next is verified
// again: the time since it was staged may have been long. It may be repeated
// after a crash.
func (p *Place) Swap(b release.Binary) error {
	const op = "put the new binary in place"
	if Verify(p.Binary, b) == nil {
		return p.Discard() // a crash came after the rename; Previous is what it was before
	}
	if err := Verify(p.Next, b); err != nil {
		return err
	}
	if err := p.keep(); err != nil {
		return fail(op, p.Previous, err)
	}
	if err := p.step("kept"); err != nil {
		return err
	}
	if err := replace(p.Next, p.Binary, p.Previous); err != nil {
		return fail(op, p.Binary, err)
	}
	if err := p.step("renamed"); err != nil {
		return err
	}
	if err := durable.SyncDir(filepath.Dir(p.Binary)); err != nil {
		return fail(op, p.Binary, err)
	}
	return p.step("swapped")
}

// Discard removes what Stage has made, and what a crash has left of it.
func (p *Place) Discard() error {
	parts, err := filepath.Glob(filepath.Join(escape(filepath.Dir(p.Binary)), partPattern))
	for _, name := range append(parts, p.Next) {
		err = errors.Join(err, removeIfThere(name))
	}
	if err != nil {
		return fail("remove staged binary", p.Next, err)
	}
	return nil
}

// escape keeps a directory from being taken for a pattern.
func escape(dir string) string {
	if os.PathSeparator == '\\' {
		return dir // there is no escaping; brackets in a path of programs are rare
	}
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(dir)
}

func removeIfThere(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// fail gives a failure of the file system its code, and leaves others theirs.
func fail(op, path string, err error) error {
	code := durable.Code(err)
	switch {
	case code == mft.CodeIO && errors.Is(err, context.Canceled):
		code = mft.CodeCancelled
	case code == mft.CodeIO && errors.Is(err, context.DeadlineExceeded):
		code = mft.CodeTimeout
	}
	return mft.Fail(code, op, path, err)
}

package errand

import (
	"encoding/binary"
	"errors"
	"fmt"

	"mft.dev/mft/internal/plain"
)

// This file is the form of a page: there is an entry for each file of a source, again
// and again, so it is written out. For each: the uvarint length of the path, the path,
// size and times as varints, inode, mode and the length of the failure as uvarints, the
// failure in its plain form.

// PageOf returns the message for what was found.
func PageOf(list []Found) Page {
	b := make([]byte, 0, 64*len(list))
	for i := range list {
		f := &list[i]
		b = append(binary.AppendUvarint(b, uint64(len(f.Path))), f.Path...)
		for _, n := range [...]int64{f.Size, f.MTime, f.CTime} {
			b = binary.AppendVarint(b, n)
		}
		b = binary.AppendUvarint(binary.AppendUvarint(b, f.Inode), uint64(f.Mode))
		var failure []byte
		if f.Failure != nil {
			failure = plain.Append(nil, *f.Failure)
		}
		b = append(binary.AppendUvarint(b, uint64(len(failure))), failure...)
	}
	return Page{Found: b}
}

var errPage = errors.New("an entry of the page ends too early")

// List returns what was found, PageSize entries at most.
func (p *Page) List() ([]Found, error) {
	r := pageReader{rest: p.Found}
	out := make([]Found, 0, min(PageSize, len(p.Found)/16))
	for len(r.rest) > 0 && r.err == nil {
		if len(out) == PageSize {
			return nil, fmt.Errorf("a page has at most %d entries", PageSize)
		}
		f := Found{Path: string(r.take())}
		f.Size, f.MTime, f.CTime = r.varint(), r.varint(), r.varint()
		f.Inode = r.uvarint()
		mode := r.uvarint()
		if f.Mode = uint32(mode); uint64(f.Mode) != mode {
			return nil, errPage
		}
		if failure := r.take(); len(failure) > 0 {
			f.Failure = new(Failure)
			if err := plain.Parse(failure, f.Failure); err != nil {
				return nil, err
			}
		}
		out = append(out, f)
	}
	return out, r.err
}

// A pageReader reads what PageOf wrote; after an error it reads zeros.
type pageReader struct {
	rest []byte
	err  error
}

func (r *pageReader) uvarint() uint64 {
	n, size := binary.Uvarint(r.rest)
	r.skip(size)
	return n
}

func (r *pageReader) varint() int64 {
	n, size := binary.Varint(r.rest)
	r.skip(size)
	return n
}

// skip goes on behind a number of so many bytes.
func (r *pageReader) skip(size int) {
	if size <= 0 {
		r.err, r.rest = errPage, nil
		return
	}
	r.rest = r.rest[size:]
}

// take reads a length, and returns so many bytes.
func (r *pageReader) take() []byte {
	n := r.uvarint()
	if n > uint64(len(r.rest)) {
		r.err, r.rest = errPage, nil
		return nil
	}
	p := r.rest[:n]
	r.rest = r.rest[n:]
	return p
}

package parcel

import (
	"context"
	"fmt"
	"io"

	"mft.dev/mft"
)

// An Extent is how large a parcel is.
type Extent struct {
	Parts int   // 1 to MaxParts
	Size  int64 // of its content, in bytes
}

// Check reports whether parts of the given content can make this extent. The
// error has CodeProtocol.
func (e Extent) Check(part int) error {
	misfit := func(why string, args ...any) error {
		return mft.Fail(mft.CodeProtocol, "check parcel", "", fmt.Errorf(why, args...))
	}
	switch {
	case part < 1 || part > MaxPart:
		return misfit("parts of %d bytes", part)
	case e.Parts < 1 || e.Parts > MaxParts:
		return misfit("%d parts", e.Parts)
	case e.Size < 0 || (e.Size+int64(part)-1)/int64(part) != int64(e.Parts) && (e.Size != 0 || e.Parts != 1):
		return misfit("%d bytes are not %d parts of %d", e.Size, e.Parts, part)
	}
	return nil
}

// length is the content of a part.
func (e Extent) length(number, part int) int {
	return int(min(int64(part), e.Size-int64(number)*int64(part)))
}

// A Fetch fills p with the bytes of the object from offset on. It may be called
// by several goroutines at once.
type Fetch func(ctx context.Context, offset int64, p []byte) error

// A Reader reads ranges of a parcel. It is for one goroutine; Close must be
// called.
type Reader struct {
	form   Form
	extent Extent
	fetch  Fetch
	ctx    context.Context
	stop   context.CancelFunc

	from, to int64 // of the range
	ahead    []*fetched
	free     [][]byte
	atOnce   int
	beside   *Reader
}

// fetched is a part that has been fetched or is under way.
type fetched struct {
	number int
	sealed []byte
	ready  chan struct{}
	plain  []byte
	err    error
}

// NewReader returns a reader that fetches at most atOnce parts at a time and
// keeps as many in memory. Extent has been checked.
func NewReader(ctx context.Context, form Form, extent Extent, atOnce int, fetch Fetch) *Reader {
	r := &Reader{form: form, extent: extent, fetch: fetch, atOnce: max(atOnce, 1)}
	r.ctx, r.stop = context.WithCancel(ctx)
	return r
}

// Beside has r take a part that other has in memory from there, and not fetch
// it: where a parcel is read at two places at once. Both are for the same
// goroutine, and of one parcel.
func (r *Reader) Beside(other *Reader) { r.beside = other }

// Range has Read go on at from, up to to. Parts beyond to are not fetched; parts
// that are in memory already are not fetched again. The error has CodeProtocol
// when there is no such range.
func (r *Reader) Range(from, to int64) error {
	if from < 0 || to < from || to > r.extent.Size {
		return mft.Fail(mft.CodeProtocol, "read parcel", "", fmt.Errorf("bytes %d to %d of %d", from, to, r.extent.Size))
	}
	r.from, r.to = from, to
	return nil
}

// Read reads from the range; io.EOF is its end.
func (r *Reader) Read(p []byte) (int, error) {
	next, err := r.Next(len(p))
	return copy(p, next), err
}

// Next reads up to most bytes of the range and returns them where they lie, for
// as long as nothing else is read; io.EOF is the end.
func (r *Reader) Next(most int) ([]byte, error) {
	if r.from >= r.to {
		return nil, io.EOF
	}
	number := int(r.from / int64(r.form.Part))
	r.plan(number)
	part := r.ahead[0]
	select {
	case <-part.ready:
	case <-r.ctx.Done():
		return nil, context.Cause(r.ctx)
	}
	if part.err != nil {
		return nil, part.err
	}
	start := int64(number) * int64(r.form.Part)
	next := part.plain[r.from-start : min(int64(len(part.plain)), r.to-start)]
	next = next[:min(len(next), most)]
	r.from += int64(len(next))
	return next, nil
}

// plan has the part of the given number come first, and those behind it follow
// that belong to the range.
func (r *Reader) plan(number int) {
	last := int((r.to - 1) / int64(r.form.Part))
	keep := r.ahead[:0]
	for _, part := range r.ahead {
		if part.number >= number && part.number < number+r.atOnce {
			keep = append(keep, part)
			continue
		}
		<-part.ready // its buffer is in use until then
		r.free = append(r.free, part.sealed)
	}
	clear(r.ahead[len(keep):])
	r.ahead = keep
	for n := number; n <= last && n < number+r.atOnce; n++ {
		at := n - number
		if at < len(r.ahead) && r.ahead[at].number == n {
			continue
		}
		r.ahead = append(r.ahead, nil)
		copy(r.ahead[at+1:], r.ahead[at:])
		r.ahead[at] = r.begin(n)
	}
}

// begin begins to fetch a part.
func (r *Reader) begin(number int) *fetched {
	var buf []byte
	if n := len(r.free); n > 0 {
		buf, r.free = r.free[n-1], r.free[:n-1]
	} else {
		buf = make([]byte, r.extent.length(0, r.form.Part)+Overhead)
	}
	part := &fetched{number: number, sealed: buf, ready: make(chan struct{})}
	if plain := r.beside.has(number); plain != nil {
		part.plain = buf[:copy(buf, plain)]
		close(part.ready)
		return part
	}
	go func() {
		defer close(part.ready)
		sealed := part.sealed[:r.extent.length(number, r.form.Part)+Overhead]
		offset := int64(number) * int64(r.form.Part+Overhead)
		if part.err = r.fetch(r.ctx, offset, sealed); part.err != nil {
			return
		}
		part.plain, part.err = r.form.Open(number, sealed)
	}()
	return part
}

// has returns the content of a part that has been read from, nil without one.
func (r *Reader) has(number int) []byte {
	if r == nil || len(r.ahead) == 0 || r.ahead[0].number != number {
		return nil
	}
	select {
	case <-r.ahead[0].ready:
		return r.ahead[0].plain // nil after an error
	default:
		return nil
	}
}

// Close ends what is under way and waits for it.
func (r *Reader) Close() {
	r.stop()
	for _, part := range r.ahead {
		<-part.ready
	}
	r.ahead = nil
}

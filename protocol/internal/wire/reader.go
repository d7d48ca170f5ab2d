// Package wire reads and writes the fields of which the messages of package
// protocol are made: numbers, byte strings, text, codes, times.
//
// Make a Reader with [Read], read all fields in their order, and hand the
// result to [Done]. The Append functions are the other half. The package
// knows no message, and accepts no field in any form but the one that the
// Append functions give it.
package wire

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"
	"time"
	"unicode/utf8"

	"mft.dev/mft"
)

// Limits on fields, in bytes.
const (
	MaxPath   = 4096
	MaxDetail = 1024
	MaxCode   = 32
)

// maxName is longer than any name of an agent; the name itself is checked by
// the root package.
const maxName = 255

// maxMillis is the end of the year 9999, the last that text forms of time
// can show.
const maxMillis = 253402300799999

// A Reader reads a message front to back. The first field that does not fit
// stays as its error, and everything read after it is zero: a parser may read
// all its fields in a row, but must look at Err before it allocates by what it
// has read.
type Reader struct {
	op    string
	entry int // counted from 1
	p     []byte
	at    int // moving a number instead of p keeps the garbage collector out
	err   error
}

// Read returns a reader of p. Op says in errors what is done.
func Read(op string, p []byte) Reader { return Reader{op: op, p: p} }

// Done returns v if r has read all of its input and all of it did fit, and
// else the zero value and the error.
func Done[T any](r *Reader, v T) (T, error) {
	if r.More() {
		r.entry = 0
		r.Fail("end", "%d bytes too many", r.left())
	}
	if r.err != nil {
		var zero T
		return zero, r.err
	}
	return v, nil
}

// Fail records that a field does not fit, with code CodeProtocol, unless
// another did not before.
func (r *Reader) Fail(field, why string, args ...any) {
	r.FailWith(mft.CodeProtocol, fmt.Errorf(field+": "+why, args...))
}

// FailWith is Fail with another code, or with that of err when code is empty.
func (r *Reader) FailWith(code mft.Code, err error) {
	if r.err == nil {
		if r.entry > 0 {
			err = fmt.Errorf("entry %d: %w", r.entry-1, err)
		}
		r.err = mft.Fail(code, r.op, "", err)
	}
	r.p, r.at = nil, 0
}

// Entry says that from here on fields belong to entry i of a list, for
// errors.
func (r *Reader) Entry(i int) { r.entry = i + 1 }

// Err returns the first error so far.
func (r *Reader) Err() error { return r.err }

// More reports whether something is left to read.
func (r *Reader) More() bool { return r.at < len(r.p) }

func (r *Reader) left() int { return len(r.p) - r.at }

// U8 reads a byte.
func (r *Reader) U8(field string) uint8 {
	if r.at >= len(r.p) {
		r.Fail(field, "missing")
		return 0
	}
	r.at++
	return r.p[r.at-1]
}

// Flag reads a byte that is 0 or 1.
func (r *Reader) Flag(field string) bool {
	v := r.U8(field)
	if v > 1 {
		r.Fail(field, "%d is neither 0 nor 1", v)
	}
	return v == 1
}

// Uint reads a number of at most limit, in base 128 and its one shortest
// form.
func (r *Reader) Uint(field string, limit uint64) uint64 {
	if r.at < len(r.p) && r.p[r.at] < 0x80 && uint64(r.p[r.at]) <= limit {
		r.at++
		return uint64(r.p[r.at-1])
	}
	return r.longUint(field, limit)
}

// longUint is Uint without the short cut for one byte.
func (r *Reader) longUint(field string, limit uint64) uint64 {
	v, n := binary.Uvarint(r.p[r.at:])
	switch {
	case n == 0:
		r.Fail(field, "missing or cut off")
	case n < 0:
		r.Fail(field, "number of more than 64 bits")
	case n > 1 && r.p[r.at+n-1] == 0:
		r.Fail(field, "number is not in its shortest form")
	case v > limit:
		r.Fail(field, "%d is more than %d", v, limit)
	default:
		r.at += n
		return v
	}
	return 0
}

// Size reads a number that fits an int64.
func (r *Reader) Size(field string) int64 { return int64(r.Uint(field, math.MaxInt64)) }

// Zigzag reads a signed number: twice its value, or twice its distance from
// -1 and 1 more.
func (r *Reader) Zigzag(field string) int64 {
	u := r.Uint(field, math.MaxUint64)
	return int64(u>>1) ^ -int64(u&1)
}

// Count reads how many things follow that take at least each bytes. What it
// returns is bounded by what is left of the input.
func (r *Reader) Count(field string, limit, each int) int {
	n := int(r.Uint(field, uint64(limit)))
	if n > r.left()/each {
		r.Fail(field, "%d do not fit into %d bytes", n, r.left())
		return 0
	}
	return n
}

// Take returns the next n bytes of the input itself.
func (r *Reader) Take(field string, n int) []byte {
	if n > r.left() {
		r.Fail(field, "%d bytes expected, %d left", n, r.left())
		return nil
	}
	r.at += n
	return r.p[r.at-n : r.at : r.at]
}

// Rest returns what is left of the input itself.
func (r *Reader) Rest() []byte { return r.Take("rest", r.left()) }

// Fixed fills dst, or leaves it zero.
func (r *Reader) Fixed(field string, dst []byte) { copy(dst, r.Take(field, len(dst))) }

// Digest reads 32 bytes.
func (r *Reader) Digest(field string) (d mft.Digest) {
	r.Fixed(field, d[:])
	return d
}

// Bytes reads a length of at most limit and returns that many bytes of the
// input itself.
func (r *Reader) Bytes(field string, limit int) []byte {
	return r.Take(field, int(r.Uint(field, uint64(limit))))
}

// Copy is Bytes with memory of its own; nil when there are none.
func (r *Reader) Copy(field string, limit int) []byte {
	return append([]byte(nil), r.Bytes(field, limit)...)
}

// Path reads bytes that are a path on some host: at most MaxPath, no NUL.
func (r *Reader) Path(field string) string {
	p := string(r.Bytes(field, MaxPath))
	if strings.IndexByte(p, 0) >= 0 {
		r.FailWith(mft.CodeBadPath, fmt.Errorf("%s: contains a NUL", field))
		return ""
	}
	return p
}

// Text reads UTF-8.
func (r *Reader) Text(field string, limit int) string {
	p := r.Bytes(field, limit)
	if !utf8.Valid(p) {
		r.Fail(field, "not UTF-8")
		return ""
	}
	return string(p)
}

// Line reads UTF-8 without control characters: what is printed in one line.
func (r *Reader) Line(field string, limit int) string {
	s := r.Text(field, limit)
	if strings.ContainsFunc(s, func(c rune) bool { return c < ' ' || (c >= 0x7f && c < 0xa0) }) {
		r.Fail(field, "contains a control character")
		return ""
	}
	return s
}

// Span reads the beginning and the length, not zero, of a run of indexes up to
// last.
func (r *Reader) Span(last uint64) (first, count uint64) {
	first = r.Uint("first", last)
	count = r.Uint("count", last+1-first)
	if count == 0 {
		r.Fail("count", "zero")
	}
	return first, count
}

// Agent reads the name of an agent.
func (r *Reader) Agent(field string) mft.AgentName {
	p := r.Bytes(field, maxName)
	if r.err != nil {
		return ""
	}
	a, err := mft.ParseAgentName(string(p))
	if err != nil {
		r.FailWith(mft.CodeProtocol, fmt.Errorf("%s: %w", field, err))
	}
	return a
}

// Code reads what looks like a code. It may be one that this end does not
// know: a newer peer has more of them.
func (r *Reader) Code() mft.Code {
	c := mft.Code(r.Bytes("code", MaxCode))
	if r.err == nil && !looksLikeCode(c) {
		r.Fail("code", "%q is none", string(c))
		return ""
	}
	return c
}

// Detail reads a sentence for people.
func (r *Reader) Detail() string { return r.Text("detail", MaxDetail) }

// Counted reads a number of items and one of bytes.
func (r *Reader) Counted() (n mft.Count) {
	n.Items = r.Size("items")
	n.Bytes = r.Size("bytes")
	return n
}

// Time reads milliseconds since the Unix epoch.
func (r *Reader) Time(field string) time.Time {
	return time.UnixMilli(int64(r.Uint(field, maxMillis))).UTC()
}

func looksLikeCode(c mft.Code) bool {
	if c == "" || len(c) > MaxCode {
		return false
	}
	for i := range len(c) {
		if (c[i] < 'A' || c[i] > 'Z') && c[i] != '_' {
			return false
		}
	}
	return true
}

package protocol

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"
	"time"
	"unicode/utf8"

	"mft.dev/mft"
)

// A cursor reads a message front to back. The first thing that does not fit
// stays in err, and everything read after it is zero, so that a parser can
// read all its fields in a row and look at the error once, before it uses or
// allocates anything.
type cursor struct {
	op   string
	rest []byte
	err  error
}

// fail keeps why field does not fit, unless something else did not before.
func (c *cursor) fail(field, why string, args ...any) {
	c.wrap(mft.CodeProtocol, fmt.Errorf(field+": "+why, args...))
}

// wrap keeps err with the given code, or with its own when code is empty.
func (c *cursor) wrap(code mft.Code, err error) {
	if c.err == nil {
		c.err = mft.Fail(code, c.op, "", err)
	}
	c.rest = nil
}

// done returns the first error, one of them being bytes that were not read.
func (c *cursor) done() error {
	if len(c.rest) > 0 {
		c.fail("end", "%d bytes too many", len(c.rest))
	}
	return c.err
}

// more reports whether something is left to read.
func (c *cursor) more() bool { return len(c.rest) > 0 }

func (c *cursor) u8(field string) uint8 {
	if len(c.rest) == 0 {
		c.fail(field, "missing")
		return 0
	}
	v := c.rest[0]
	c.rest = c.rest[1:]
	return v
}

// flag reads a byte that is 0 or 1.
func (c *cursor) flag(field string) bool {
	v := c.u8(field)
	if v > 1 {
		c.fail(field, "%d is neither 0 nor 1", v)
	}
	return v == 1
}

// uvarint reads a number in its one shortest form.
func (c *cursor) uvarint(field string, limit uint64) uint64 {
	if len(c.rest) > 0 && c.rest[0] < 0x80 && uint64(c.rest[0]) <= limit {
		v := uint64(c.rest[0])
		c.rest = c.rest[1:]
		return v
	}
	v, n := binary.Uvarint(c.rest)
	switch {
	case n == 0:
		c.fail(field, "missing or cut off")
	case n < 0:
		c.fail(field, "number of more than 64 bits")
	case n > 1 && c.rest[n-1] == 0:
		c.fail(field, "number is not in its shortest form")
	case v > limit:
		c.fail(field, "%d is more than %d", v, limit)
	default:
		c.rest = c.rest[n:]
		return v
	}
	return 0
}

// size reads a number of bytes or items.
func (c *cursor) size(field string) int64 { return int64(c.uvarint(field, math.MaxInt64)) }

// zigzag reads a signed number.
func (c *cursor) zigzag(field string) int64 {
	u := c.uvarint(field, math.MaxUint64)
	return int64(u>>1) ^ -int64(u&1)
}

// count reads how many things follow that take at least each bytes.
func (c *cursor) count(field string, limit, each int) int {
	n := int(c.uvarint(field, uint64(limit)))
	if n > len(c.rest)/each {
		c.fail(field, "%d do not fit into %d bytes", n, len(c.rest))
		return 0
	}
	return n
}

// take returns the next n bytes of the input itself.
func (c *cursor) take(field string, n int) []byte {
	if n > len(c.rest) {
		c.fail(field, "%d bytes expected, %d left", n, len(c.rest))
		return nil
	}
	v := c.rest[:n:n]
	c.rest = c.rest[n:]
	return v
}

// fixed fills dst.
func (c *cursor) fixed(field string, dst []byte) { copy(dst, c.take(field, len(dst))) }

func (c *cursor) digest(field string) (d mft.Digest) {
	c.fixed(field, d[:])
	return d
}

// bytes reads a length and that many bytes of the input itself.
func (c *cursor) bytes(field string, limit int) []byte {
	return c.take(field, int(c.uvarint(field+" length", uint64(limit))))
}

// path reads bytes that are a path on some host.
func (c *cursor) path(field string) string {
	p := string(c.bytes(field, MaxPath))
	if strings.IndexByte(p, 0) >= 0 {
		c.wrap(mft.CodeBadPath, fmt.Errorf("%s: contains a NUL", field))
	}
	return p
}

// text reads UTF-8.
func (c *cursor) text(field string, limit int) string {
	p := c.bytes(field, limit)
	if !utf8.Valid(p) {
		c.fail(field, "not UTF-8")
		return ""
	}
	return string(p)
}

// label reads UTF-8 without control characters: text that is printed in one
// line.
func (c *cursor) label(field string, limit int) string {
	s := c.text(field, limit)
	if strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || (r >= 0x7f && r < 0xa0) }) {
		c.fail(field, "contains a control character")
		return ""
	}
	return s
}

func (c *cursor) agent(field string) mft.AgentName {
	p := c.bytes(field, MaxOwner)
	if c.err != nil {
		return ""
	}
	a, err := mft.ParseAgentName(string(p))
	if err != nil {
		c.wrap(mft.CodeProtocol, fmt.Errorf("%s: %w", field, err))
	}
	return a
}

// code reads what looks like a code. It may be one that this end does not
// know: a newer peer has more of them.
func (c *cursor) code() mft.Code {
	p := mft.Code(c.bytes("code", MaxCode))
	if c.err == nil && !looksLikeCode(p) {
		c.fail("code", "%q is none", string(p))
		return ""
	}
	return p
}

func (c *cursor) detail() string { return c.text("detail", MaxDetail) }

func (c *cursor) counted() (n mft.Count) {
	n.Items = c.size("items")
	n.Bytes = c.size("bytes")
	return n
}

// maxMillis is the end of the year 9999, the last that text forms of time
// can show.
const maxMillis = 253402300799999

func (c *cursor) time(field string) time.Time {
	return time.UnixMilli(int64(c.uvarint(field, maxMillis))).UTC()
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

// The writing half. Numbers below zero come out as numbers that the other end
// refuses.

func appendUint(b []byte, v uint64) []byte { return binary.AppendUvarint(b, v) }

func appendSize(b []byte, v int64) []byte { return binary.AppendUvarint(b, uint64(v)) }

func appendZigzag(b []byte, v int64) []byte { return binary.AppendVarint(b, v) }

func appendBytes[T ~string | ~[]byte](b []byte, p T) []byte {
	b = binary.AppendUvarint(b, uint64(len(p)))
	return append(b, p...)
}

func appendFlag(b []byte, v bool) []byte {
	if v {
		return append(b, 1)
	}
	return append(b, 0)
}

func appendCount(b []byte, n mft.Count) []byte {
	return appendSize(appendSize(b, n.Items), n.Bytes)
}

// appendReason writes a code and a sentence so that the other end accepts
// them whatever they are: they tell of a failure, and must arrive.
func appendReason(b []byte, c mft.Code, detail string) []byte {
	switch {
	case c == "":
		c = mft.CodeOK
	case !looksLikeCode(c):
		c = mft.CodeOther
	}
	return appendBytes(appendBytes(b, c), clip(detail, MaxDetail))
}

// clip makes s valid UTF-8 of at most limit bytes.
func clip(s string, limit int) string {
	s = strings.ToValidUTF8(s, string(utf8.RuneError))
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit]
}

package wire

import (
	"encoding/binary"
	"strings"
	"unicode/utf8"

	"mft.dev/mft"
)

// AppendUint appends what Uint reads.
func AppendUint(b []byte, v uint64) []byte { return binary.AppendUvarint(b, v) }

// AppendSize appends what Size reads. A number below zero comes out as one
// that Size refuses.
func AppendSize(b []byte, v int64) []byte { return binary.AppendUvarint(b, uint64(v)) }

// AppendZigzag appends what Zigzag reads.
func AppendZigzag(b []byte, v int64) []byte { return binary.AppendVarint(b, v) }

// AppendBytes appends what Bytes, and whatever is read as Bytes, reads.
func AppendBytes[T ~string | ~[]byte](b []byte, p T) []byte {
	b = binary.AppendUvarint(b, uint64(len(p)))
	return append(b, p...)
}

// AppendFlag appends what Flag reads.
func AppendFlag(b []byte, v bool) []byte {
	if v {
		return append(b, 1)
	}
	return append(b, 0)
}

// AppendCounted appends what Counted reads.
func AppendCounted(b []byte, n mft.Count) []byte {
	return AppendSize(AppendSize(b, n.Items), n.Bytes)
}

// AppendReason appends what Code and then Detail read. It makes the other end
// accept them whatever they are, because they tell of a failure and must
// arrive: no code becomes CodeOK, a malformed one CodeOther, and the detail is
// made valid UTF-8 and cut to MaxDetail.
func AppendReason(b []byte, c mft.Code, detail string) []byte {
	switch {
	case c == "":
		c = mft.CodeOK
	case !looksLikeCode(c):
		c = mft.CodeOther
	}
	return AppendBytes(AppendBytes(b, c), Clip(detail, MaxDetail))
}

// Clip makes s valid UTF-8 of at most limit bytes.
func Clip(s string, limit int) string {
	s = strings.ToValidUTF8(s, string(utf8.RuneError))
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit]
}

package wire

import "strings"

// maxChunk is the size of a chunk of an arena once it has been in use.
const maxChunk = 16 << 10

// An Arena makes many small strings with few allocations. A string is cut
// from a builder that has room for all of it, so that the bytes under it never
// move or change.
type Arena struct {
	b    strings.Builder
	next int // size of the next chunk
}

// NewArena returns an arena whose first chunk is made for an input of n
// bytes.
func NewArena(n int) Arena { return Arena{next: min(2*n, maxChunk)} }

// Join returns head followed by tail.
func (a *Arena) Join(head string, tail []byte) string {
	n := len(head) + len(tail)
	if n > a.b.Cap()-a.b.Len() {
		a.b = strings.Builder{}
		a.b.Grow(max(n, a.next))
		a.next = maxChunk
	}
	start := a.b.Len()
	a.b.WriteString(head)
	a.b.Write(tail)
	return a.b.String()[start:]
}

// Again returns p as a string, and last itself if p says the same.
func (a *Arena) Again(last string, p []byte) string {
	if last == string(p) {
		return last
	}
	return a.Join("", p)
}

package process

import (
	"fmt"
	"sync"
)

// MaxOutput bounds the output that is kept, in bytes, without the line that
// says what was cut.
const MaxOutput = 16 << 10

// half is how much of the beginning is kept, and how much of the end.
const half = MaxOutput / 2

// A tail keeps the beginning and the end of what is written to it.
type tail struct {
	mu      sync.Mutex // guards the rest: a write may outlive the command
	first   []byte
	last    []byte // a ring once it is full
	next    int    // where last is written next
	dropped int64
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := len(p)
	if room := half - len(t.first); room > 0 {
		k := min(room, len(p))
		t.first = append(t.first, p[:k]...)
		p = p[k:]
	}
	if over := len(p) - half; over > 0 {
		t.dropped += int64(over)
		p = p[over:]
	}
	if room := half - len(t.last); room > 0 {
		k := min(room, len(p))
		t.last = append(t.last, p[:k]...)
		p = p[k:]
	}
	t.dropped += int64(len(p))
	for len(p) > 0 {
		k := copy(t.last[t.next:], p)
		t.next = (t.next + k) % half
		p = p[k:]
	}
	return n, nil
}

func (t *tail) bytes() []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := append([]byte(nil), t.first...)
	if t.dropped > 0 {
		out = fmt.Appendf(out, "\n[… %d bytes were cut …]\n", t.dropped)
	}
	out = append(out, t.last[t.next:]...)
	return append(out, t.last[:t.next]...)
}

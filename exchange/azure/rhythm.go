package azure

import (
	"sync"
	"time"
)

// How often an empty queue is asked: soon again after this agent has put a
// letter, which is likely to be answered, then less and less often; and after five minutes of silence
// as Config.Poll says. Whoever has just taken one has to speak next: no hurry.
const (
	askSoonest = 25 * time.Millisecond
	askWhile   = 500 * time.Millisecond // at the latest, in a conversation
	askShare   = 8                      // no more than this part of the wait so far is added to it
	silence    = 5 * time.Minute
	pollEvery  = 2 * time.Second
	// askFor is how long a call of Take asks.
	askFor = 20 * time.Second
)

// A rhythm knows when something was said last.
type rhythm struct {
	idle time.Duration // how often in silence

	mu    sync.Mutex
	spoke time.Time     // this agent, last
	heard time.Time     // this agent, last
	put   chan struct{} // closed when this agent speaks
}

// newRhythm begins as if something had just been heard: letters may lie there.
func newRhythm(idle time.Duration, now time.Time) *rhythm {
	return &rhythm{idle: idle, heard: now, put: make(chan struct{})}
}

// speak notes that a letter was put.
func (r *rhythm) speak(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.spoke = now
	close(r.put)
	r.put = make(chan struct{})
}

// hear notes that letters were taken.
func (r *rhythm) hear(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.heard = now
}

// pause returns how long to wait before the queue is asked again, and what makes
// that wait shorter.
func (r *rhythm) pause(now time.Time) (time.Duration, <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	last := r.spoke
	if r.heard.After(last) {
		last = r.heard
	}
	quiet := now.Sub(last)
	switch {
	case quiet < 0 || quiet >= silence:
		return r.idle, r.put
	case last.Equal(r.spoke):
		return min(max(quiet/askShare, askSoonest), askWhile, r.idle), r.put
	}
	return min(askWhile, r.idle), r.put
}

package bundle

import (
	"sync"
	"time"
)

// A deadline is a point in time that can be moved. The zero value never comes.
type deadline struct {
	mu    sync.Mutex
	timer *time.Timer
	past  chan struct{} // closed when it has come
	spent bool          // past is closed, or will be at once
}

// set moves the deadline; zero is never.
func (d *deadline) set(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timer != nil && !d.timer.Stop() {
		d.spent = true // its function has run or is about to
	}
	d.timer = nil
	if d.past == nil || d.spent {
		d.past, d.spent = make(chan struct{}), false
	}
	if t.IsZero() {
		return
	}
	past, left := d.past, time.Until(t)
	if left <= 0 {
		close(past)
		d.spent = true
		return
	}
	d.timer = time.AfterFunc(left, func() { close(past) })
}

// come returns a channel that is closed when the deadline has come. It serves
// until the deadline is set again after it had come.
func (d *deadline) come() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.past == nil {
		d.past = make(chan struct{})
	}
	return d.past
}

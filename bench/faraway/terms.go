package faraway

import (
	"fmt"
	"time"
)

// Terms describe a way. They hold in each direction.
type Terms struct {
	// Delay is how long a packet is under way; a round trip takes twice that.
	Delay time.Duration
	// Bandwidth is in bytes per second, with all headers.
	Bandwidth float64
	// Queue is how many bytes may wait in front of the way; a packet that finds
	// the queue full is dropped.
	Queue int
	// Loss is the share of packets that are lost at random, 0 to 1.
	Loss float64
	// Congestion is the congestion control that TCP shall use at both ends.
	Congestion string
}

func (t Terms) String() string {
	loss := "no loss"
	if t.Loss > 0 {
		loss = fmt.Sprintf("%g %% loss", 100*t.Loss)
	}
	return fmt.Sprintf("round trip %s, %.0f MB/s, queue of %d KiB, %s, TCP %s",
		2*t.Delay, t.Bandwidth/1e6, t.Queue>>10, loss, t.Congestion)
}

// A shaper decides when packets of one direction arrive, and which never do.
type shaper struct {
	Terms
	draw func() float64 // the next random number from 0 to 1
	busy time.Time      // until when the way is taken by earlier packets
}

// admit takes a packet that wants to go at a time that is not before that of
// the packet before, and tells when it arrives, if it does.
func (s *shaper) admit(now time.Time, size int) (arrival time.Time, ok bool) {
	if s.busy.Before(now) {
		s.busy = now
	}
	waiting := s.busy.Sub(now).Seconds() * s.Bandwidth
	if int(waiting)+size > s.Queue {
		return time.Time{}, false
	}
	s.busy = s.busy.Add(time.Duration(float64(size) / s.Bandwidth * float64(time.Second)))
	if s.draw() < s.Loss { // it has taken its share of the way nevertheless
		return time.Time{}, false
	}
	return s.busy.Add(s.Delay), true
}

package progress

import "time"

// window is how far back a rate looks: long enough to be calm, short enough
// to tell a stall.
const window = 5 * time.Second

// A Meter turns a growing number into a rate. The zero value is ready. It is
// not safe for concurrent use.
type Meter struct {
	seen []sample
}

type sample struct {
	at time.Time
	n  int64
}

// See tells that the number was n at the time at, which does not go back. A
// number that went back starts over.
func (m *Meter) See(at time.Time, n int64) {
	if len(m.seen) > 0 && n < m.seen[len(m.seen)-1].n {
		m.seen = m.seen[:0]
	}
	m.seen = append(m.seen, sample{at, n})
	// One sample at or before the window stays: the rate is over all of it.
	for len(m.seen) > 2 && at.Sub(m.seen[1].at) >= window {
		m.seen = m.seen[1:]
	}
}

// Rate returns the rate a second over the last few seconds, 0 when it cannot
// be told yet.
func (m *Meter) Rate() float64 {
	if len(m.seen) < 2 {
		return 0
	}
	first, last := m.seen[0], m.seen[len(m.seen)-1]
	d := last.at.Sub(first.at).Seconds()
	if d <= 0 {
		return 0
	}
	return float64(last.n-first.n) / d
}

package compress

import "time"

// Limits of a Judge.
const (
	// window is how long a connection has to be busy for a measurement.
	window = 20 * time.Millisecond
	// windows is how many make a rate: the best of them counts, so that a pause
	// of the other end is not taken for a slow line.
	windows = 4
	// buffers is how many bytes may go at any speed, because there is room on
	// the way.
	buffers = 4 << 20
	// firstPatience and lastPatience bound how long a decision stands until the
	// other way is tried. It doubles from one to the other.
	firstPatience = 2 * time.Second
	lastPatience  = time.Minute
	// sampleShare is how many times as long as a sample took the connection
	// is busy with other things until the next one.
	sampleShare = 500
	// begin is by how much compressing has to be faster before it begins, and
	// stay before it goes on.
	begin, stay = 1.25, 1.1
	// gain is what a compressed frame may have of the plain one at most.
	gain = 0.9
)

// Expect returns how many bytes of content a second a connection would take
// that takes plain bytes at a rate of line, if a compressor of this speed made
// ratio of them. The two work at the same time: buffers on the way are emptied
// while the compressor fills the next.
func Expect(line, speed, ratio float64) float64 { return min(speed, line/ratio) }

// A state is what a Judge has decided.
type state uint8

const (
	off   state = iota // content goes plain
	on                 // content is compressed
	trial              // on, but content goes plain for a moment to see whether that is faster
)

// A Judge decides for one connection what content is compressed. It knows how
// fast content went plain and how fast it went compressed, as far as both were
// tried lately, and else expects it from samples. It looks at no clock: time
// is how long the connection was busy. The zero value is ready; it is not safe
// for concurrent use.
type Judge struct {
	state state

	plain, packed pace // how fast content goes

	// What the compressor is like on this content: bytes a second, compressed
	// bytes per byte. 0 is not known.
	speed, ratio float64
	rest         time.Duration // until another sample is due, or until content that did not gain is tried again

	sum      tally         // of the current window
	room     int           // bytes that buffers may still take in a trial
	held     time.Duration // until the state may change
	patience time.Duration // what held will be next
}

// A tally is what was measured.
type tally struct {
	raw, packed   int // content, and what of it was compressed
	work, writing time.Duration
}

// A pace is the bytes a second of the last windows, the latest first.
type pace struct {
	rates [windows]float64
	known int
}

func (p *pace) add(r float64) {
	copy(p.rates[1:], p.rates[:])
	p.rates[0] = r
	p.known = min(p.known+1, windows)
}

func (p *pace) sure() bool { return p.known == windows }

func (p *pace) best() (most float64) {
	for _, r := range p.rates[:p.known] {
		most = max(most, r)
	}
	return most
}

// A Plan is what is to be done with a piece of content.
type Plan uint8

// The plans.
const (
	Plain    Plan = iota
	Sample        // compress a sample and tell Sampled, then ask again
	Compress      // compress all of it
)

// Next plans the next piece of content.
func (j *Judge) Next() Plan {
	switch {
	case j.state == on && j.rest <= 0:
		return Compress
	case j.state == off && j.rest <= 0 && j.plain.sure():
		return Sample
	}
	return Plain
}

// Sampled says what a sample of n bytes became, how long that took at best, and
// how long looking at it took altogether.
func (j *Judge) Sampled(n, packed int, took, spent time.Duration) {
	ratio, speed := float64(packed)/float64(n), rate(n, took)
	if !j.other(ratio) { // a sample is slowed down by whatever happens, but never sped up
		speed = max(speed, j.speed)
	}
	j.learn(speed, ratio)
	j.rest = sampleShare * max(spent, time.Microsecond)
	j.consider()
}

// learn keeps what the compressor is like.
func (j *Judge) learn(speed, ratio float64) {
	if j.other(ratio) {
		j.speed, j.ratio = speed, ratio
	}
	j.speed, j.ratio = (j.speed+speed)/2, (j.ratio+ratio)/2
}

// other reports whether this is no content like that before.
func (j *Judge) other(ratio float64) bool {
	return j.speed == 0 || (ratio > gain) != (j.ratio > gain)
}

// Wrote says that n bytes of content have gone, compressed to packed bytes or,
// if that is 0, plain; how long compressing took, whether it was worth it or
// not, and how long the connection took to take them.
func (j *Judge) Wrote(n, packed int, work, writing time.Duration) {
	if work > 0 && packed == 0 { // it was tried and did not gain
		j.rest = sampleShare * work
	}
	busy := work + writing
	j.rest -= min(busy, j.rest)
	j.held -= min(busy, j.held)
	if packed > 0 {
		j.learn(rate(n, work), float64(packed)/float64(n))
		j.sum.packed += n
	}
	j.room -= min(n, j.room)
	j.sum.raw += n
	j.sum.work += work
	j.sum.writing += writing
	if j.sum.work+j.sum.writing >= window {
		j.close()
	}
}

// close ends a window.
func (j *Judge) close() {
	s := j.sum
	j.sum = tally{}
	r := rate(s.raw, s.work+s.writing)
	switch {
	case s.packed == 0:
		j.plain.add(r)
	case s.packed >= s.raw/2:
		j.packed.add(r)
	default: // some of both tells of neither
		return
	}
	switch j.state {
	case off:
		j.consider()
	case on:
		j.doubt(s.writing < 3*s.work)
	case trial:
		// Room on the way makes a slow line look fast, but never a fast one slow.
		if j.room == 0 || j.packed.best() >= stay*r {
			j.settle(r)
		}
	}
}

// consider begins to compress if that is to be expected to be faster.
func (j *Judge) consider() {
	if j.state != off || j.held > 0 || !j.plain.sure() || j.speed == 0 || j.ratio > gain {
		return
	}
	if line := j.plain.best(); Expect(line, j.speed, j.ratio) >= begin*line {
		j.state, j.packed, j.rest = on, pace{}, 0
		j.patience = max(j.patience, firstPatience)
		j.held = j.patience
	}
}

// doubt looks whether it is time to try what plain content would do: when
// compressing does not keep its promise, and now and then when the connection
// is idle in between, so that it may be faster than is known.
func (j *Judge) doubt(idle bool) {
	if j.packed.sure() && j.packed.best() < stay*j.plain.best() || idle && j.held <= 0 {
		j.state, j.room = trial, buffers
	}
}

// settle decides by what a trial has shown.
func (j *Judge) settle(plain float64) {
	j.plain = pace{} // what was before is no longer true
	j.plain.add(plain)
	j.patience = min(2*j.patience, lastPatience)
	j.held = j.patience
	j.state = off
	if j.packed.best() >= stay*plain {
		j.state = on
	}
}

func rate(n int, took time.Duration) float64 {
	return float64(n) / max(took, time.Nanosecond).Seconds()
}

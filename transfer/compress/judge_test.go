package compress

import (
	"testing"
	"time"
)

func TestExpect(t *testing.T) {
	for name, tc := range map[string]struct{ line, speed, ratio, want float64 }{
		"the line is the limit":       {50e6, 500e6, 0.5, 100e6},
		"the compressor is the limit": {50e6, 80e6, 0.25, 80e6},
		"nothing gained":              {50e6, 500e6, 1, 50e6},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Expect(tc.line, tc.speed, tc.ratio); got != tc.want {
				t.Errorf("Expect(%g, %g, %g) = %g, want %g", tc.line, tc.speed, tc.ratio, got, tc.want)
			}
		})
	}
}

// A world is what a judge works with, in bytes a second: the line behind a
// buffer, a compressor, and how fast the other end takes content.
type world struct {
	line, speed, ratio, taker float64
	buffer                    int // bytes that go at once while it is not full
}

// A drive lets a judge send content through worlds, and keeps time.
type drive struct {
	Judge
	filled  float64 // of the buffer
	spent   time.Duration
	packed  int // pieces that were compressed
	samples int
}

const piece = 256 << 10

// send sends some MiB of content.
func (d *drive) send(w world, mib int) {
	for range mib << 20 / piece {
		p := d.Next()
		var work time.Duration
		if p == Sample {
			d.samples++
			took := took(sample, w.speed)
			work += 2 * took
			d.Sampled(sample, int(sample*w.ratio), took, 2*took)
			if p = d.Next(); p == Sample {
				p = Plain
			}
		}
		n, whole := piece, 0
		var packing time.Duration
		if p == Compress {
			packing = took(piece, w.speed)
			if w.ratio <= gain {
				n = int(piece * w.ratio)
				whole = n
				d.packed++
			}
		}
		// While it compresses the buffer is emptied.
		line := w.line
		if w.taker > 0 {
			line = min(line, w.taker*float64(n)/piece)
		}
		d.filled = max(0, d.filled-line*(work+packing).Seconds())
		over := max(0, d.filled+float64(n)-float64(w.buffer))
		d.filled = min(float64(w.buffer), d.filled+float64(n))
		writing := took(n, 1e9) + time.Duration(over/line*1e9) // encryption
		d.spent += work + packing + writing
		d.Wrote(piece, whole, packing, writing)
	}
}

func took(n int, speed float64) time.Duration {
	return time.Duration(float64(n) / speed * 1e9)
}

// TestJudge lets judges work, and looks at how much time they took, relative
// to always plain.
func TestJudge(t *testing.T) {
	text := func(line float64) world { return world{line: line, speed: 160e6, ratio: 0.31, buffer: 3 << 20} }
	noise := func(line float64) world { return world{line: line, speed: 4e9, ratio: 1, buffer: 3 << 20} }
	for name, tc := range map[string]struct {
		w           world
		mib         int
		least, most float64 // of the time of always plain
		none        bool    // nothing is compressed at all
	}{
		"text over a slow line":                    {text(5e6), 256, 0.3, 0.36, false},
		"text over 50 MB/s":                        {text(50e6), 1024, 0.3, 0.4, false},
		"text over 50 MB/s, not much":              {text(50e6), 100, 0.3, 0.45, false},
		"text over a line as fast as zstd":         {text(160e6), 1024, 0.99, 1.01, true},
		"text over a fast line":                    {text(700e6), 4096, 0.99, 1.01, true},
		"little that goes at once":                 {text(50e6), 3, 1, 1, true},
		"noise over a slow line":                   {noise(50e6), 1024, 0.99, 1.01, true},
		"noise over a fast line":                   {noise(700e6), 4096, 0.99, 1.01, true},
		"text, and the other end writes slowly":    {world{line: 700e6, speed: 160e6, ratio: 0.31, taker: 50e6, buffer: 3 << 20}, 1024, 0.97, 1.05, false},
		"zeros over a fast line":                   {world{line: 700e6, speed: 2e9, ratio: 0.01, buffer: 3 << 20}, 4096, 0.15, 0.4, false},
		"hardly compressible over a slow line":     {world{line: 10e6, speed: 300e6, ratio: 0.88, buffer: 3 << 20}, 1024, 0.99, 1.01, true},
		"somewhat compressible over a slow line":   {world{line: 10e6, speed: 300e6, ratio: 0.7, buffer: 3 << 20}, 1024, 0.69, 0.72, false},
		"text over a slow line, without any queue": {world{line: 50e6, speed: 160e6, ratio: 0.31}, 1024, 0.5, 0.7, false},
	} {
		t.Run(name, func(t *testing.T) {
			var d, plain drive
			d.send(tc.w, tc.mib)
			only := tc.w
			only.ratio, only.speed = 1, 1e15
			plain.send(only, tc.mib)
			if got := d.spent.Seconds() / plain.spent.Seconds(); got < tc.least || got > tc.most {
				t.Errorf("it took %.3f of the time of plain content, want %.2f to %.2f", got, tc.least, tc.most)
			}
			if tc.none != (d.packed == 0) {
				t.Errorf("%d pieces were compressed, want none: %t", d.packed, tc.none)
			}
		})
	}
}

// TestJudgeFollows changes the world under a judge that has settled.
func TestJudgeFollows(t *testing.T) {
	slow := world{line: 50e6, speed: 160e6, ratio: 0.31, buffer: 3 << 20}
	noise, fast := slow, slow
	noise.ratio, noise.speed = 1, 4e9
	fast.line = 700e6
	for name, tc := range map[string]struct {
		before, after world
		pieces        bool // are compressed in the end
	}{
		"text after noise":            {noise, slow, true},
		"noise after text":            {slow, noise, false},
		"the line becomes faster":     {slow, fast, false},
		"the line becomes slower":     {fast, slow, true},
		"the line gets even slower":   {slow, world{line: 5e6, speed: 160e6, ratio: 0.31, buffer: 3 << 20}, true},
		"the compressor gets slower":  {slow, world{line: 50e6, speed: 20e6, ratio: 0.31, buffer: 3 << 20}, false},
		"the other end becomes slow":  {slow, world{line: 50e6, speed: 160e6, ratio: 0.31, taker: 20e6, buffer: 3 << 20}, false},
		"the ratio becomes a bit bad": {slow, world{line: 50e6, speed: 160e6, ratio: 0.6, buffer: 3 << 20}, true},
	} {
		t.Run(name, func(t *testing.T) {
			var d drive
			d.send(tc.before, 2048)
			d.send(tc.after, 2048)
			d.packed = 0
			d.send(tc.after, 64)
			if got := d.packed > 128; got != tc.pieces {
				t.Errorf("%d of 256 pieces are compressed, want most of them: %t", d.packed, tc.pieces)
			}
		})
	}
}

// TestJudgeIsCalm: it does not change its mind all the time.
func TestJudgeIsCalm(t *testing.T) {
	for _, line := range []float64{10e6, 100e6, 120e6, 127e6, 128e6, 129e6, 140e6, 160e6, 300e6} {
		var d drive
		changes, last := 0, off
		for range 4096 {
			d.send(world{line: line, speed: 160e6, ratio: 0.31, buffer: 3 << 20}, 1)
			if (d.state == on) != (last == on) {
				changes++
				last = d.state
			}
		}
		if changes > 20 {
			t.Errorf("at %g bytes/s it changed its mind %d times in 4 GiB", line, changes)
		}
	}
}

// TestSamplesAreFew: what samples take is a small part of the time.
func TestSamplesAreFew(t *testing.T) {
	for name, w := range map[string]world{
		"noise": {line: 700e6, speed: 4e9, ratio: 1},
		"text":  {line: 700e6, speed: 120e6, ratio: 0.31},
	} {
		t.Run(name, func(t *testing.T) {
			var d drive
			d.send(w, 1024)
			spent := 2 * time.Duration(d.samples) * took(sample, w.speed)
			if d.samples == 0 || spent*(sampleShare/2) > d.spent {
				t.Errorf("%d samples took %v of %v, want some, and less than a part in %d", d.samples, spent, d.spent, sampleShare/2)
			}
		})
	}
}

func TestPause(t *testing.T) {
	var d drive
	w := world{line: 400e6, speed: 160e6, ratio: 0.31}
	for range 100 {
		d.send(w, 64)
		d.Wrote(piece, 0, 0, 3*time.Second) // the other end waits for its disk
	}
	if d.packed > 0 {
		t.Errorf("%d pieces were compressed, want pauses not to be taken for a slow line", d.packed)
	}
}

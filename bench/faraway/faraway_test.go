package faraway

import (
	"io"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func never() float64 { return 1 }

func TestAdmit(t *testing.T) {
	start := time.Unix(1000, 0)
	type packet struct {
		at, size int // in ms after the start, in bytes
		want     int // ms after the start, -1 is never
	}
	for _, tc := range []struct {
		name    string
		terms   Terms
		draw    []float64
		packets []packet
	}{
		{
			name:    "delay and the time that the packet itself takes",
			terms:   Terms{Delay: 25 * time.Millisecond, Bandwidth: 1e6, Queue: 10_000},
			packets: []packet{{0, 1000, 26}, {100, 5000, 130}},
		},
		{
			name:    "packets wait for those before them",
			terms:   Terms{Delay: 25 * time.Millisecond, Bandwidth: 1e6, Queue: 10_000},
			packets: []packet{{0, 1000, 26}, {0, 1000, 27}, {0, 1000, 28}, {1, 1000, 29}},
		},
		{
			name:    "a full queue drops, and has room again later",
			terms:   Terms{Delay: 5 * time.Millisecond, Bandwidth: 1e6, Queue: 2000},
			packets: []packet{{0, 1000, 6}, {0, 1000, 7}, {0, 1000, -1}, {1, 1000, 8}, {1, 1000, -1}},
		},
		{
			name:    "what is lost took its share of the way",
			terms:   Terms{Bandwidth: 1e6, Queue: 10_000, Loss: 0.01},
			draw:    []float64{0.5, 0.009, 0.01},
			packets: []packet{{0, 1000, 1}, {0, 1000, -1}, {0, 1000, 3}},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			draw := never
			if tc.draw != nil {
				numbers := tc.draw
				draw = func() float64 { n := numbers[0]; numbers = numbers[1:]; return n }
			}
			s := shaper{Terms: tc.terms, draw: draw}
			for i, p := range tc.packets {
				arrival, ok := s.admit(start.Add(time.Duration(p.at)*time.Millisecond), p.size)
				got := -1
				if ok {
					got = int(arrival.Sub(start).Milliseconds())
				}
				if got != p.want {
					t.Errorf("packet %d of %d bytes at %d ms arrives at %d ms, want %d", i, p.size, p.at, got, p.want)
				}
			}
		})
	}
}

// A source hands out packets at times after the start.
type source struct {
	start   time.Time
	packets []time.Duration
}

func (s *source) Read(p []byte) (int, error) {
	if len(s.packets) == 0 {
		return 0, io.EOF
	}
	time.Sleep(time.Until(s.start.Add(s.packets[0])))
	s.packets = s.packets[1:]
	for i := range 1000 {
		p[i] = byte(len(s.packets))
	}
	return 1000, nil
}

// A sink notes when packets come, and which.
type sink struct {
	start   time.Time
	arrived []time.Duration
	marks   []byte
}

func (s *sink) Write(p []byte) (int, error) {
	s.arrived = append(s.arrived, time.Since(s.start))
	s.marks = append(s.marks, p[0])
	return len(p), nil
}

func TestConveyor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const ms = time.Millisecond
		now := time.Now()
		from := &source{now, []time.Duration{0, 0, 0, 50 * ms}}
		to := &sink{start: now}
		c := &conveyor{
			shape: shaper{Terms: Terms{Delay: 25 * ms, Bandwidth: 1e6, Queue: 2000}, draw: never},
			in:    from, out: to,
		}
		c.run()
		if want := []time.Duration{26 * ms, 27 * ms, 76 * ms}; !slices.Equal(to.arrived, want) {
			t.Errorf("packets arrived after %v, want %v", to.arrived, want)
		}
		if want := []byte{3, 2, 0}; !slices.Equal(to.marks, want) {
			t.Errorf("packets %v arrived, want %v", to.marks, want)
		}
		if got := c.passed.Load(); got != 4000 {
			t.Errorf("%d bytes were put on the way, want 4000", got)
		}
		if got := c.dropped.Load(); got != 1 {
			t.Errorf("%d packets were dropped, want 1", got)
		}
	})
}

func TestTermsString(t *testing.T) {
	terms := Terms{Delay: 25 * time.Millisecond, Bandwidth: 50e6, Queue: 5 << 20, Loss: 0.01, Congestion: "cubic"}
	if got, want := terms.String(), "round trip 50ms, 50 MB/s, queue of 5120 KiB, 1 % loss, TCP cubic"; got != want {
		t.Errorf("String = %q, want %q", got, want)
	}
}

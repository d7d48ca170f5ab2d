package trigger

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// sec is so many seconds after a fixed moment.
func sec(n int) time.Time { return time.Unix(1_800_000_000+int64(n), 0) }

func TestStability(t *testing.T) {
	a := Sighting{Size: 1, MTime: 2, CTime: 3, Inode: 4}
	longer, later, touched, other := a, a, a, a
	longer.Size++
	later.MTime++
	touched.CTime++
	other.Inode++
	type step struct {
		at    int
		seen  Sighting
		again int // 0: it is stable
	}
	tests := []struct {
		name  string
		steps []step
	}{
		{"not at first sight", []step{{0, a, 10}}},
		{"stable when it stayed the same", []step{{0, a, 10}, {9, a, 10}, {10, a, 0}}},
		{"stays stable", []step{{0, a, 10}, {10, a, 0}, {11, a, 0}, {500, a, 0}}},
		{"looked at late", []step{{0, a, 10}, {500, a, 0}}},
		{"grew", []step{{0, a, 10}, {5, longer, 15}, {10, longer, 15}, {15, longer, 0}}},
		{"another time", []step{{0, a, 10}, {5, later, 15}}},
		{"another change time", []step{{0, a, 10}, {5, touched, 15}}},
		{"another file", []step{{0, a, 10}, {5, other, 15}}},
		{"changed and back", []step{{0, a, 10}, {5, longer, 15}, {6, a, 16}, {15, a, 16}, {16, a, 0}}},
		{"changed after it was stable", []step{{0, a, 10}, {10, a, 0}, {11, longer, 21}, {21, longer, 0}}},
		{"the clock goes back", []step{{100, a, 110}, {50, a, 60}, {59, a, 60}, {60, a, 0}}},
		{"the clock goes back a little", []step{{100, a, 110}, {105, a, 110}, {102, a, 110}, {110, a, 0}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := NewStability(10*time.Second, 5)
			for _, step := range test.steps {
				want := Verdict{Stable: true}
				if step.again != 0 {
					want = Verdict{Again: sec(step.again)}
				}
				if got := s.See("f", step.seen, sec(step.at)); got != want {
					t.Errorf("See at %d = %+v, want %+v", step.at, got, want)
				}
			}
		})
	}
}

func TestStabilityWithoutQuiet(t *testing.T) {
	for _, quiet := range []time.Duration{0, -time.Second} {
		s := NewStability(quiet, 0)
		if got := s.See("f", Sighting{}, sec(0)); !got.Stable || !got.Again.IsZero() || s.Len() != 0 {
			t.Errorf("quiet %v: See = %+v, remembers %d", quiet, got, s.Len())
		}
	}
}

func TestStabilityForgets(t *testing.T) {
	s := NewStability(10*time.Second, 5)
	s.See("f", Sighting{}, sec(0))
	s.Forget("f")
	s.Forget("unknown")
	if got, want := s.See("f", Sighting{}, sec(50)), (Verdict{Again: sec(60)}); got != want {
		t.Errorf("See after Forget = %+v, want %+v", got, want)
	}
}

// TestStabilityGetsThroughMoreThanItRemembers scans many files again and
// again: those that it remembers become stable and make room for the others.
func TestStabilityGetsThroughMoreThanItRemembers(t *testing.T) {
	const files, limit = 100, 7
	s := NewStability(10*time.Second, limit)
	sent := make(map[int]bool)
	scans := 0
	for ; len(sent) < files; scans++ {
		if scans > 2*files/limit+3 {
			t.Fatalf("after %d scans %d of %d files were stable", scans, len(sent), files)
		}
		for i := range files {
			path := fmt.Sprint(i)
			if !sent[i] && s.See(path, Sighting{}, sec(scans*10)).Stable {
				s.Forget(path)
				sent[i] = true
			}
			if s.Len() > limit {
				t.Fatalf("it remembers %d files, want at most %d", s.Len(), limit)
			}
		}
	}
}

// TestStabilityAgainstModel holds every verdict to the definition: all
// sightings of the last quiet time, and at least one from before it, are the
// same.
func TestStabilityAgainstModel(t *testing.T) {
	type sighting struct {
		at   int
		size int64
	}
	rapid.Check(t, func(rt *rapid.T) {
		quiet := rapid.IntRange(1, 5).Draw(rt, "quiet")
		s := NewStability(time.Duration(quiet)*time.Second, 3)
		history := make(map[string][]sighting)
		now := 0
		for range rapid.IntRange(1, 40).Draw(rt, "steps") {
			now += rapid.IntRange(0, 3).Draw(rt, "pause")
			path := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(rt, "path")
			size := rapid.Int64Range(0, 1).Draw(rt, "size")
			h := append(history[path], sighting{now, size})
			history[path] = h
			since := now
			for i := len(h) - 1; i >= 0 && h[i].size == size; i-- {
				since = h[i].at
			}
			want := Verdict{Stable: now-since >= quiet}
			if !want.Stable {
				want.Again = sec(since + quiet)
			}
			if got := s.See(path, Sighting{Size: size}, sec(now)); got != want {
				rt.Fatalf("See(%s, %d) at %d = %+v, want %+v; seen %v", path, size, now, got, want, h)
			}
		}
	})
}

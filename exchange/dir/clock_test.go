package dir

import (
	"errors"
	"testing"
	"time"

	"mft.dev/mft/internal/confine"
)

func TestClock(t *testing.T) {
	storage := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	local := time.Now()
	asked := 0
	var down error
	k := &clock{
		local: func() time.Time { return local },
		stamp: func(*confine.Root) (time.Time, error) { asked++; return storage, down },
	}
	c := &call{folder: &folder{clock: k}}
	down = errors.New("full")
	if _, err := c.now(); !errors.Is(err, down) {
		t.Errorf("before it was ever asked: error %v, want %v", err, down)
	}
	down = nil
	for _, step := range []struct {
		name         string
		local, moved time.Duration // how far the clocks of host and storage go on
		down         error
		want         time.Duration // since the beginning
		asked        int           // since the step before
	}{
		{"first", 0, 0, nil, 0, 1},
		{"soon after", 10 * time.Second, 10 * time.Second, nil, 10 * time.Second, 0},
		{"later", 10 * time.Second, 10 * time.Second, nil, 20 * time.Second, 1},
		{"the host slept", 0, time.Hour, nil, 20 * time.Second, 0},
		{"and is measured again", measured, 0, nil, time.Hour + 20*time.Second, 1},
		{"the local clock was set back", -24 * time.Hour, 0, nil, time.Hour + 20*time.Second, 1},
		{"the storage cannot be asked", time.Minute, time.Minute, errors.New("full"), time.Hour + 80*time.Second, 1},
		{"the storage can be asked again", time.Minute, time.Hour, nil, 2*time.Hour + 80*time.Second, 1},
	} {
		local, storage, down = local.Add(step.local), storage.Add(step.moved), step.down
		asked = 0
		got, err := c.now()
		want := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC).Add(step.want)
		if err != nil || !got.Equal(want) || asked != step.asked {
			t.Errorf("%s: now() = %v, %v, asked %d times; want %v, %d times", step.name, got, err, asked, want, step.asked)
		}
	}
}

// TestSkew has two processes whose hosts disagree by years, and one that is
// set back in the middle.
func TestSkew(t *testing.T) {
	path, s := shared(t, "alpha"), newShift()
	fast, slow := open(t, path, "alpha", s), open(t, path, "alpha", s)
	off := 10 * 365 * 24 * time.Hour
	fast.clock.local = func() time.Time { return time.Now().Round(0).Add(off + s.now()) }
	slow.clock.local = func() time.Time { return time.Now().Round(0).Add(-off + s.now()) }
	q, r := fast.exchange().Queue, slow.exchange().Queue
	if err := q.Put(t.Context(), "alpha", []byte("x")); err != nil {
		t.Fatal(err)
	}
	got, err := r.Take(t.Context(), 1, time.Minute)
	if err != nil || len(got) != 1 {
		t.Fatalf("Take: %d letters, %v; want one", len(got), err)
	}
	off = -off
	for _, p := range []struct {
		after time.Duration
		want  int
	}{{0, 0}, {50 * time.Second, 0}, {30 * time.Second, 1}} {
		s.add(p.after)
		again, err := q.Take(t.Context(), 1, time.Minute)
		if err != nil || len(again) != p.want {
			t.Errorf("Take %v later: %d letters, %v; want %d", p.after, len(again), err, p.want)
		}
	}
}

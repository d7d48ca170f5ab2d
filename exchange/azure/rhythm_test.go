package azure

import (
	"testing"
	"time"
)

func TestRhythm(t *testing.T) {
	start := time.Unix(1_800_000_000, 0)
	at := func(d time.Duration) time.Time { return start.Add(d) }
	for _, tc := range []struct {
		name         string
		spoke, heard time.Duration // after start; 0 is not since then
		after, want  time.Duration
	}{
		{"at the start", 0, 0, time.Second, askWhile},
		{"nothing was ever said", 0, 0, time.Hour, pollEvery},
		{"a letter was put", time.Second, 0, time.Second, askSoonest},
		{"a while ago", time.Second, 0, 2600 * time.Millisecond, 200 * time.Millisecond},
		{"some minutes ago", time.Second, 0, 4 * time.Minute, askWhile},
		{"long ago", time.Second, 0, 6 * time.Minute, pollEvery},
		{"a letter was taken", time.Second, 2 * time.Second, 2 * time.Second, askWhile},
		{"long ago it was taken", time.Second, 2 * time.Second, 6 * time.Minute, pollEvery},
		{"it was answered", 3 * time.Second, 2 * time.Second, 3 * time.Second, askSoonest},
		{"the clock went back", time.Minute, 0, time.Second, pollEvery},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := newRhythm(pollEvery, start)
			if tc.spoke != 0 {
				r.speak(at(tc.spoke))
			}
			if tc.heard != 0 {
				r.hear(at(tc.heard))
			}
			if got, _ := r.pause(at(tc.after)); got != tc.want {
				t.Errorf("pause = %v, want %v", got, tc.want)
			}
		})
	}
	r := newRhythm(pollEvery, start)
	_, put := r.pause(start)
	r.speak(start)
	select {
	case <-put:
	default:
		t.Error("a letter that is put does not end the wait")
	}
	if got, _ := newRhythm(10*time.Millisecond, start).pause(start); got != 10*time.Millisecond {
		t.Errorf("the pause is longer than configured: %v", got)
	}
}

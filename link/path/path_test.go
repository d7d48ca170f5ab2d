package path

import (
	"testing"
	"time"
)

func TestStreams(t *testing.T) {
	const ms = time.Millisecond
	for _, tt := range []struct {
		name   string
		path   Path
		others int
		want   int
	}{
		{"nothing is known", Path{}, 0, 1},
		{"on one host", Path{RoundTrip: 80 * time.Microsecond}, 0, 1},
		{"nearby, and lossy", Path{RoundTrip: 4900 * time.Microsecond, Loss: 0.1}, 0, 1},
		{"far away with BBR", Path{RoundTrip: farAway, BBR: true}, 0, 1},
		{"far away with BBR, hardly lossy", Path{RoundTrip: 50 * ms, BBR: true, Loss: 0.001}, 0, 1},
		{"far away with BBR, lossy", Path{RoundTrip: 50 * ms, BBR: true, Loss: 0.01}, 0, 4},
		{"far away without BBR", Path{RoundTrip: farAway}, 0, 8},
		{"far away without BBR, lossy", Path{RoundTrip: 300 * ms, Loss: 0.02}, 0, 8},
		{"with another", Path{RoundTrip: 50 * ms}, 1, 4},
		{"with two others", Path{RoundTrip: 50 * ms}, 2, 2},
		{"with many others", Path{RoundTrip: 50 * ms}, 200, 1},
		{"with one other, lossy", Path{RoundTrip: 50 * ms, BBR: true, Loss: 0.5}, 1, 2},
	} {
		if got := tt.path.Streams(tt.others); got != tt.want {
			t.Errorf("%s: %+v.Streams(%d) = %d, want %d", tt.name, tt.path, tt.others, got, tt.want)
		}
	}
}

func TestTally(t *testing.T) {
	type sent struct{ bytes, again uint64 }
	for name, tt := range map[string]struct {
		sent []sent
		want float64
	}{
		"nothing":          {nil, 0},
		"too little":       {[]sent{{tallyFrom - 1, 1000}}, 0},
		"enough":           {[]sent{{tallyFrom, tallyFrom / 4}}, 0.25},
		"several":          {[]sent{{1 << 20, 0}, {1 << 20, 1 << 19}}, 0.25},
		"older count less": {[]sent{{tallyMost + 2, (tallyMost + 2) / 2}, {tallyMost, 0}}, 1. / 6},
	} {
		var tally Tally
		for _, s := range tt.sent {
			tally.add(s.bytes, s.again)
		}
		if got := tally.Loss(); got < tt.want-1e-6 || got > tt.want+1e-6 {
			t.Errorf("%s: Loss = %v, want %v", name, got, tt.want)
		}
	}
}

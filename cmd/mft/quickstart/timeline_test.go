package quickstart

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/localapi"
)

var start = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func at(seconds float64) time.Time { return start.Add(time.Duration(seconds * float64(time.Second))) }

func event(id byte, seconds float64, kind mft.EventKind, detail string) localapi.Event {
	t := mft.TransferID{id}
	return localapi.Event{Time: at(seconds), Kind: kind, Transfer: &t, Detail: detail}
}

// tell lets all events become known in the given order, at the time of the
// last one, and returns the lines.
func tell(t *timeline, events ...localapi.Event) []string {
	for _, e := range events {
		t.add(e, at(10))
	}
	var lines []string
	for _, e := range t.due(at(10).Add(settle)) {
		if line := t.line(e); line != "" {
			lines = append(lines, line)
		}
	}
	return lines
}

func TestTimeline(t *testing.T) {
	waiting := event(1, 0.6, mft.EventWaiting, "the peer cannot be reached")
	waiting.Code = mft.CodeUnreachable
	tests := []struct {
		name   string
		events []localapi.Event
		want   []string
	}{
		{
			"one file, both ends mixed up",
			[]localapi.Event{
				event(1, 0.52, mft.EventOffered, ""), event(1, 0.53, mft.EventAccepted, ""), event(1, 0.58, mft.EventVerified, ""),
				event(1, 0.59, mft.EventDelivered, ""),
				event(1, 0, mft.EventDetected, "a.csv"), event(1, 0.5, mft.EventStable, "a.csv"), event(1, 0.5, mft.EventPlanned, ""),
				event(1, 0.51, mft.EventOffered, ""), event(1, 0.54, mft.EventAccepted, ""), event(1, 0.55, mft.EventMoving, "over the direct link"),
				event(1, 0.6, mft.EventDelivered, ""), event(1, 0.61, mft.EventDone, ""),
			},
			[]string{
				"   0.00 s  detected   a.csv",
				"   0.50 s  stable     a.csv",
				"   0.51 s  offered    a.csv, to beta",
				"   0.53 s  accepted   a.csv, by beta",
				"   0.55 s  moving     a.csv, over the direct link",
				"   0.58 s  verified   a.csv, by beta",
				"   0.59 s  delivered  a.csv",
			},
		},
		{
			"several files",
			[]localapi.Event{
				event(1, 0, mft.EventDetected, "a.csv"), event(1, 0.1, mft.EventDetected, "b.csv"), event(1, 0.1, mft.EventDetected, "c.csv"),
			},
			[]string{"   0.00 s  detected   a.csv and 2 more"},
		},
		{
			"a name that commands the terminal",
			[]localapi.Event{event(1, 0, mft.EventDetected, "\x1b[2J")},
			[]string{`   0.00 s  detected   "\x1b[2J"`},
		},
		{
			"waiting is told each time",
			[]localapi.Event{event(1, 0, mft.EventDetected, "a"), waiting, waiting},
			[]string{
				"   0.00 s  detected   a",
				"   0.60 s  waiting    a: the peer cannot be reached",
				"   0.60 s  waiting    a: the peer cannot be reached",
			},
		},
		{
			"a command",
			[]localapi.Event{event(1, 0, mft.EventPlanned, ""), event(1, 0.1, mft.EventOffered, "")},
			[]string{"   0.00 s  offered    a transfer by command, to beta"},
		},
		{"no transfer", []localapi.Event{{Time: start, Kind: mft.EventAgentStarted}}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tell(newTimeline(), tt.events...); !slices.Equal(got, tt.want) {
				t.Errorf("lines\n got %q\nwant %q", got, tt.want)
			}
		})
	}
}

func TestTimelineHoldsBack(t *testing.T) {
	line := newTimeline()
	line.add(event(1, 0, mft.EventDetected, "a"), at(0))
	if got := line.due(at(0).Add(settle - 1)); len(got) != 0 {
		t.Errorf("due before the time to settle: %v", got)
	}
	if got := line.due(at(0).Add(settle)); len(got) != 1 {
		t.Errorf("due after the time to settle: %v, want the event", got)
	}
	if got := line.due(at(1)); len(got) != 0 {
		t.Errorf("due again: %v", got)
	}
}

func TestTimelineForgets(t *testing.T) {
	line := newTimeline()
	for i := range maxTracks + 10 {
		e := event(0, 0, mft.EventDetected, "a")
		id := mft.TransferID{byte(i >> 8), byte(i)}
		e.Transfer = &id
		line.add(e, at(0))
		line.end(id)
	}
	if n := len(line.tracks); n > maxTracks {
		t.Errorf("%d transfers are remembered, want at most %d", n, maxTracks)
	}
	late := event(0, 5, mft.EventDelivered, "")
	id := mft.TransferID{0, 1}
	late.Transfer = &id
	if got := line.line(late); got != "" {
		t.Errorf("an event of a forgotten transfer is told: %q", got)
	}
}

func TestWithoutCode(t *testing.T) {
	tests := []struct {
		said, words string
		code        mft.Code
	}{
		{"listen on x: in use [BAD_CONFIG]", "listen on x: in use", mft.CodeConfig},
		{"listen on x [NOBODY_KNOWS]", "listen on x [NOBODY_KNOWS]", mft.CodeOther},
		{"", "", mft.CodeOther},
		{"]", "]", mft.CodeOther},
		{" []", " []", mft.CodeOther},
	}
	for _, tt := range tests {
		if words, code := withoutCode(tt.said); words != tt.words || code != tt.code {
			t.Errorf("withoutCode(%q) = %q, %s; want %q, %s", tt.said, words, code, tt.words, tt.code)
		}
	}
}

func TestSamplesDoNotMeet(t *testing.T) {
	s := &show{alpha: newHost("alpha", t.TempDir()), beta: newHost("beta", t.TempDir())}
	mkdir(t, s.outbox())
	mkdir(t, s.inbox())
	var names []string
	for range 3 {
		path, err := s.dropSample()
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, filepath.Base(path))
	}
	if want := []string{"sample-1.bin", "sample-2.bin", "sample-3.bin"}; !slices.Equal(names, want) {
		t.Errorf("samples: got %q, want %q", names, want)
	}
}

func mkdir(t *testing.T, dir string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
}

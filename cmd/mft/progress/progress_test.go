package progress

import (
	"math"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"mft.dev/mft"
)

func TestLine(t *testing.T) {
	half := State{
		Name: "beta", State: mft.StateRunning, Moved: mft.Count{Items: 1, Bytes: 512 << 20},
		Totals: mft.Count{Items: 2, Bytes: 1 << 30}, Rate: 100 << 20,
	}
	tests := []struct {
		name  string
		state State
		width int
		want  string
	}{
		{"wide", half, 80, "beta  [===========>           ]   50%  512 MiB of 1.00 GiB  100 MiB/s  0:06 left"},
		{"no total", half, 60, "beta  [============>           ]   50%  100 MiB/s  0:06 left"},
		{"only the time", half, 40, "beta  [=======>       ]   50%  0:06 left"},
		{"only the percent", half, 26, "beta  [======>     ]   50%"},
		{"no bar", half, 20, "beta   50%"},
		{"nothing fits", half, 3, " 5…"},
		{"no columns", half, 0, ""},
		{"done", State{Name: "b", State: mft.StateVerifying, Moved: mft.Count{Items: 1, Bytes: 5}, Totals: mft.Count{Items: 1, Bytes: 5}, Rate: 1}, 30, "b  [===================]  100%"},
		{"nothing known", State{Name: "b", State: mft.StateRunning}, 80, "b  running"},
		{"totals unknown", State{Name: "b", State: mft.StateRunning, Moved: mft.Count{Items: 3, Bytes: 2048}}, 80, "b  2.00 KiB so far, 3 items"},
		{"empty files count by number", State{Name: "b", State: mft.StateRunning, Moved: mft.Count{Items: 1}, Totals: mft.Count{Items: 4}}, 28, "b  [====>            ]   25%"},
		{"waiting", State{Name: "b", State: mft.StateWaiting, Why: "no space [INSUFFICIENT_SPACE]"}, 80, "b  waiting: no space [INSUFFICIENT_SPACE]"},
		{"waiting, cut", State{Name: "b", State: mft.StateWaiting, Why: "no space"}, 16, "b  waiting: no …"},
		{"queued half way", State{Name: "b", State: mft.StateQueued, Moved: mft.Count{Bytes: 1}, Totals: mft.Count{Bytes: 2}}, 80, "b  queued"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := Line(tt.state, tt.width); got != tt.want {
				t.Errorf("Line(%+v, %d)\n got %q\nwant %q", tt.state, tt.width, got, tt.want)
			}
		})
	}
}

func TestLineFits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Int64Range(0, math.MaxInt64)
		s := State{
			Name:   rapid.StringMatching(`[a-z]{0,63}`).Draw(t, "name"),
			State:  rapid.SampledFrom(mft.States()).Draw(t, "state"),
			Why:    rapid.String().Draw(t, "why"),
			Moved:  mft.Count{Items: n.Draw(t, "items"), Bytes: n.Draw(t, "bytes")},
			Totals: mft.Count{Items: n.Draw(t, "all items"), Bytes: n.Draw(t, "all bytes")},
			Rate:   rapid.Float64Range(0, 1e15).Draw(t, "rate"),
		}
		width := rapid.IntRange(0, 250).Draw(t, "width")
		if got := Line(s, width); utf8.RuneCountInString(got) > width {
			t.Fatalf("Line has %d columns, want at most %d: %q", utf8.RuneCountInString(got), width, got)
		}
	})
}

func TestPercent(t *testing.T) {
	tests := []struct {
		name          string
		moved, totals mft.Count
		want          int
	}{
		{"nothing", mft.Count{}, mft.Count{}, -1},
		{"none of it", mft.Count{}, mft.Count{Items: 1, Bytes: 10}, 0},
		{"all but a byte", mft.Count{Bytes: 1<<40 - 1}, mft.Count{Items: 1, Bytes: 1 << 40}, 99},
		{"all", mft.Count{Items: 1, Bytes: 10}, mft.Count{Items: 1, Bytes: 10}, 100},
		{"more than all", mft.Count{Bytes: 11}, mft.Count{Items: 1, Bytes: 10}, 100},
		{"by items", mft.Count{Items: 1}, mft.Count{Items: 3}, 33},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := percentOf(tt.moved, tt.totals); got != tt.want {
				t.Errorf("percentOf(%v, %v) = %d, want %d", tt.moved, tt.totals, got, tt.want)
			}
		})
	}
}

func TestMeter(t *testing.T) {
	start := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	at := func(ms int) time.Time { return start.Add(time.Duration(ms) * time.Millisecond) }
	type point struct {
		ms int
		n  int64
	}
	steady := make([]point, 0, 80)
	for i := range 80 {
		steady = append(steady, point{i * 250, int64(i) * 250})
	}
	stalled := append(append([]point{}, steady...), point{25_000, steady[79].n}, point{26_000, steady[79].n})
	tests := []struct {
		name   string
		points []point
		want   float64
	}{
		{"nothing", nil, 0},
		{"one", []point{{0, 5}}, 0},
		{"two", []point{{0, 0}, {500, 100}}, 200},
		{"same moment", []point{{0, 0}, {0, 100}}, 0},
		{"steady", steady, 1000},
		{"stalled for the window", stalled, 0},
		{"went back", []point{{0, 1000}, {1000, 10}, {2000, 110}}, 100},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var m Meter
			for _, p := range tt.points {
				m.See(at(p.ms), p.n)
			}
			if got := m.Rate(); math.Abs(got-tt.want) > 1e-9 {
				t.Errorf("Rate() = %v, want %v", got, tt.want)
			}
		})
	}
}

func TestBytes(t *testing.T) {
	tests := []struct {
		n    int64
		want string
	}{
		{0, "0 B"},
		{1023, "1023 B"},
		{1024, "1.00 KiB"},
		{10 << 10, "10.0 KiB"},
		{123 << 20, "123 MiB"},
		{1 << 30, "1.00 GiB"},
		{1023 << 20, "1.00 GiB"},
		{math.MaxInt64, "8.00 EiB"},
	}
	for _, tt := range tests {
		if got := Bytes(tt.n); got != tt.want {
			t.Errorf("Bytes(%d) = %q, want %q", tt.n, got, tt.want)
		}
	}
}

func TestClock(t *testing.T) {
	tests := []struct {
		d    time.Duration
		want string
	}{
		{-time.Second, "0:00"},
		{0, "0:00"},
		{100 * time.Millisecond, "0:01"},
		{59 * time.Second, "0:59"},
		{61 * time.Second, "1:01"},
		{3*time.Hour + 62*time.Second, "3:01:02"},
	}
	for _, tt := range tests {
		if got := clock(tt.d); got != tt.want {
			t.Errorf("clock(%v) = %q, want %q", tt.d, got, tt.want)
		}
	}
}

func TestFrame(t *testing.T) {
	tests := []struct {
		name   string
		before int
		lines  []string
		want   string
	}{
		{"first", 0, []string{"a", "b"}, "\ra\x1b[K\n\rb\x1b[K\n"},
		{"over the last", 2, []string{"a", "b"}, "\x1b[2A\ra\x1b[K\n\rb\x1b[K\n"},
		{"fewer lines", 2, []string{"a"}, "\x1b[2A\ra\x1b[K\n\x1b[J"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := string(Frame(tt.before, tt.lines)); got != tt.want {
				t.Errorf("Frame(%d, %q) = %q, want %q", tt.before, tt.lines, got, tt.want)
			}
		})
	}
}

func TestPlain(t *testing.T) {
	tests := []struct{ in, want string }{
		{"/srv/a b.csv", "/srv/a b.csv"},
		{"/srv/ä", "/srv/ä"},
		{"", `""`},
		{"a\x1b[2Jb", `"a\x1b[2Jb"`},
		{"a\nb", `"a\nb"`},
		{"\xff", `"\xff"`},
		{"\u202egpj.exe", `"\u202egpj.exe"`},
	}
	for _, tt := range tests {
		if got := Plain(tt.in); got != tt.want {
			t.Errorf("Plain(%q) = %s, want %s", tt.in, got, tt.want)
		}
	}
	if strings.Contains(Plain("\x9b"), "\x9b") {
		t.Error("Plain lets a control byte through")
	}
}

func TestText(t *testing.T) {
	tests := []struct{ in, want string }{
		{"", ""},
		{`open "/srv/a": no`, `open "/srv/a": no`},
		{"two\nlines", "two\nlines"},
		{"clear \x1b[2J the \"screen\"", `clear \x1b[2J the "screen"`},
		{"a\n\x1b]0;title\x07", "a\n" + `\x1b]0;title\a`},
	}
	for _, tt := range tests {
		if got := Text(tt.in); got != tt.want {
			t.Errorf("Text(%q) = %q, want %q", tt.in, got, tt.want)
		}
	}
}

func TestSentence(t *testing.T) {
	tests := []struct {
		code         mft.Code
		detail, want string
	}{
		{mft.CodeNoSpace, "", "there is not enough free space [INSUFFICIENT_SPACE]"},
		{mft.CodeNoSpace, "reserve \"/srv\"", "reserve \"/srv\" [INSUFFICIENT_SPACE]"},
		{mft.CodeNoSpace, "reserve [INSUFFICIENT_SPACE]", "reserve [INSUFFICIENT_SPACE]"},
		{mft.CodeNoSpace, "two\nlines\x1b", `two\nlines\x1b [INSUFFICIENT_SPACE]`},
	}
	for _, tt := range tests {
		if got := Sentence(tt.code, tt.detail); got != tt.want {
			t.Errorf("Sentence(%s, %q) = %q, want %q", tt.code, tt.detail, got, tt.want)
		}
	}
}

package progress

import (
	"fmt"
	"math"
	"strings"
	"time"
	"unicode/utf8"

	"mft.dev/mft"
)

// A State is how far one transfer has come.
type State struct {
	// Name stands in front.
	Name  string
	State mft.State
	// Why is said of a transfer that does not run.
	Why string
	// Totals may still grow; zero when nothing is known.
	Moved, Totals mft.Count
	// Rate is in bytes a second, 0 when unknown.
	Rate float64
}

// barLeast is the width below which a bar says nothing.
const barLeast = 12

// Line describes s in at most width columns, without a line break.
func Line(s State, width int) string {
	head := s.Name + "  "
	nothing := s.Totals.Items == 0 && s.Moved.Items == 0 && s.Moved.Bytes == 0
	if nothing || s.State != mft.StateRunning && s.State != mft.StateVerifying {
		text := head + string(s.State)
		if s.Why != "" {
			text += ": " + s.Why
		}
		return Cut(text, width)
	}
	percent := percentOf(s.Moved, s.Totals)
	if percent < 0 {
		return Cut(fmt.Sprintf("%s%s so far, %s", head, Bytes(s.Moved.Bytes), Items(s.Moved.Items)), width)
	}
	left := "--:--"
	if d, ok := Left(s); ok {
		left = clock(d)
	}
	pct := fmt.Sprintf("%3d%%", percent)
	tails := []string{
		fmt.Sprintf("%s  %s of %s  %s/s  %s left", pct, Bytes(s.Moved.Bytes), Bytes(s.Totals.Bytes), Bytes(int64(s.Rate)), left),
		fmt.Sprintf("%s  %s/s  %s left", pct, Bytes(int64(s.Rate)), left),
		fmt.Sprintf("%s  %s left", pct, left),
		pct,
	}
	for _, tail := range tails {
		if room := width - len(head) - 2 - len(tail); room >= barLeast {
			return head + bar(percent, min(room, 60)) + "  " + tail
		}
	}
	for _, tail := range tails {
		if len(head)+len(tail) <= width {
			return head + tail
		}
	}
	return Cut(pct, width)
}

func bar(percent, width int) string {
	inner := width - 2
	full := inner * percent / 100
	if full >= inner {
		return "[" + strings.Repeat("=", inner) + "]"
	}
	return "[" + strings.Repeat("=", full) + ">" + strings.Repeat(" ", inner-full-1) + "]"
}

// percentOf returns how much of the totals has moved, 0 to 100, -1 when that
// cannot be told. 100 is said only when all of it has.
func percentOf(moved, totals mft.Count) int {
	done, all := moved.Bytes, totals.Bytes
	if all == 0 {
		done, all = moved.Items, totals.Items
	}
	switch {
	case all <= 0 || done < 0:
		return -1
	case done >= all:
		return 100
	}
	return int(math.Floor(float64(done) / float64(all) * 100))
}

// Left returns how long the rest takes at the rate of s, if that can be told.
func Left(s State) (time.Duration, bool) {
	rest := s.Totals.Bytes - s.Moved.Bytes
	if rest < 0 || s.Rate < 1 || s.Totals.Bytes == 0 {
		return 0, false
	}
	seconds := float64(rest) / s.Rate
	if seconds > 1000*3600 {
		return 0, false
	}
	return time.Duration(seconds * float64(time.Second)), true
}

// Frame returns what to write to a terminal so that lines stand where the
// last frame of before lines stood. It ends with the cursor below the lines.
func Frame(before int, lines []string) []byte {
	var b strings.Builder
	if before > 0 {
		fmt.Fprintf(&b, "\x1b[%dA", before)
	}
	for _, line := range lines {
		b.WriteString("\r" + line + "\x1b[K\n")
	}
	if before > len(lines) {
		b.WriteString("\x1b[J")
	}
	return []byte(b.String())
}

// Cut shortens s to width runes, the last of them a sign that it was cut.
func Cut(s string, width int) string {
	if utf8.RuneCountInString(s) <= width {
		return s
	}
	if width < 1 {
		return ""
	}
	return string([]rune(s)[:width-1]) + "…"
}

// Bytes writes a number of bytes with three digits or so: "1.21 GiB".
func Bytes(n int64) string {
	if n < 1024 {
		return fmt.Sprintf("%d B", n)
	}
	v := float64(n)
	units := []string{"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"}
	u := -1
	// From 999.5 on three digits would round up to four.
	for v >= 999.5 && u < len(units)-1 {
		v /= 1024
		u++
	}
	switch {
	case v >= 99.95:
		return fmt.Sprintf("%.0f %s", v, units[u])
	case v >= 9.995:
		return fmt.Sprintf("%.1f %s", v, units[u])
	}
	return fmt.Sprintf("%.2f %s", v, units[u])
}

// Items writes a number of items: "1 item", "12 items".
func Items(n int64) string {
	if n == 1 {
		return "1 item"
	}
	return fmt.Sprintf("%d items", n)
}

// clock writes a time as a clock does: "0:07", "1:02:03".
func clock(d time.Duration) string {
	s := int64(math.Ceil(d.Seconds()))
	if s < 0 {
		s = 0
	}
	if s >= 3600 {
		return fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
	}
	return fmt.Sprintf("%d:%02d", s/60, s%60)
}

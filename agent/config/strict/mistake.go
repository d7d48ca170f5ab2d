package strict

import (
	"fmt"
	"strings"
)

// A Mistake is one thing in a file that cannot be used.
type Mistake struct {
	Line int    `json:"line"`          // from 1; 0 when no line is to blame
	Key  string `json:"key,omitempty"` // "channels[0].when", "" for the whole file
	What string `json:"what"`          // why, and what would do
}

// String returns "line 3: agent.nmae: unknown key, did you mean name?".
func (m Mistake) String() string {
	var b strings.Builder
	if m.Line > 0 {
		fmt.Fprintf(&b, "line %d: ", m.Line)
	}
	if m.Key != "" {
		b.WriteString(m.Key + ": ")
	}
	return b.String() + m.What
}

// Mistakes is everything that is wrong with one file, in the order of its
// lines. It is never empty.
type Mistakes []Mistake

// Error returns one line for each mistake.
func (m Mistakes) Error() string {
	if len(m) == 1 {
		return m[0].String()
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d mistakes", len(m))
	for _, one := range m {
		b.WriteString("\n  " + one.String())
	}
	return b.String()
}

// nearest returns the name that is most like word, "" when none is like it
// enough to have been meant.
func nearest(word string, names []string) string {
	word = strings.ToLower(word)
	best, least := "", 1+max(1, len(word)/3)
	for _, name := range names {
		if n := distance(word, name); n < least {
			best, least = name, n
		}
	}
	return best
}

// distance counts the insertions, deletions, replacements and swaps of
// neighbours that make b of a. Both are short: whoever calls has cut them.
func distance(a, b string) int {
	before, row := []int(nil), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		next := make([]int, len(b)+1)
		next[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			next[j] = min(row[j]+1, next[j-1]+1, row[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				next[j] = min(next[j], before[j-2]+1)
			}
		}
		before, row = row, next
	}
	return row[len(b)]
}

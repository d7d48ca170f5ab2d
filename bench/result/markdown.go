package result

import (
	"errors"
	"fmt"
	"strings"
)

const (
	mark    = "<!-- numbers -->\n"
	markEnd = "<!-- end -->"
)

// Markdown is the report as Markdown, with the plot in a file of the given
// name, "" for none.
func (r *Report) Markdown(plot string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Measured %s on %s; scale %g, medians of %d rounds.\n", r.When.Format("2006-01-02"), escape(r.Machine), r.Scale, r.Rounds)
	for _, n := range r.Notes {
		fmt.Fprintf(&b, "%s.\n", escape(n))
	}
	if plot != "" {
		fmt.Fprintf(&b, "\n![Time of each contender relative to rsync over ssh](%s)\n", plot)
	}
	for _, g := range r.groups() {
		fmt.Fprintf(&b, "\n### %s\n\n", escape(g.title))
		line(&b, columns())
		line(&b, []string{"---", "---:", "---:", "---:", "---:", "---:", "---:", "---:"})
		for _, row := range g.rows {
			if len(row.Samples) > 0 {
				line(&b, r.cells(g.workload, row))
			}
		}
		for _, row := range g.rows {
			if len(row.Samples) == 0 {
				fmt.Fprintf(&b, "\n%s: %s\n", row.label(), escape(row.Why))
			}
		}
	}
	for i := range r.Idle {
		if i == 0 {
			b.WriteString("\n### (k) nothing to do\n")
		}
		fmt.Fprintf(&b, "\n%s\n", escape(r.Idle[i].String()))
	}
	b.WriteString("\n### The bar\n\n")
	line(&b, []string{"", "", "wanted", "reached", ""})
	line(&b, []string{"---", "---", "---:", "---:", "---"})
	for _, v := range r.Verdicts() {
		line(&b, []string{"(" + v.Workload + ")", v.What, v.Want, v.Got, v.answer()})
	}
	return b.String()
}

func line(b *strings.Builder, cells []string) {
	for _, c := range cells {
		b.WriteString("| " + escape(c) + " ")
	}
	b.WriteString("|\n")
}

// escape keeps text from being read as markup.
func escape(s string) string {
	return strings.NewReplacer("|", `\|`, "<", "&lt;", "*", `\*`, "_", `\_`, "`", "'", "\n", " ").Replace(s)
}

// Replace puts a new text between the marks of a document.
func Replace(document, text string) (string, error) {
	before, rest, found := strings.Cut(document, mark)
	_, after, closed := strings.Cut(rest, markEnd)
	if !found || !closed {
		return "", errors.New("there is no part between " + strings.TrimSpace(mark) + " and " + markEnd)
	}
	return before + mark + text + markEnd + after, nil
}

// Package show writes what an agent tells as text for people: tables of
// transfers and peers, pages about one of them.
//
// Every function takes a writer and values of package localapi. The package
// refuses to hand a terminal what it would take for commands: names of files
// and words of peers are quoted where need be. Text for programs is JSON, and
// none of its business.
package show

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"mft.dev/mft/agent/localapi"
	"mft.dev/mft/cmd/mft/progress"
)

const (
	stamp     = "2006-01-02 15:04:05"
	fineStamp = "2006-01-02 15:04:05.000"
)

// Table calls fill with a writer that lines up what tabs separate. Writes that
// fail are nobody's business any more: the reader has gone.
func Table(out io.Writer, fill func(w io.Writer)) {
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	fill(w)
	w.Flush()
}

// page is a Table of names and values.
func page(out io.Writer, fill func(line func(name, format string, args ...any))) {
	Table(out, func(w io.Writer) {
		fill(func(name, format string, args ...any) { fmt.Fprintf(w, name+"\t"+format+"\n", args...) })
	})
}

// sentence writes a problem as one line with its code.
func sentence(p *localapi.Problem) string { return progress.Sentence(p.Code, p.Detail) }

// Ago writes how long something has lasted, roughly.
func Ago(d time.Duration) string {
	switch {
	case d < 0:
		return "0s"
	case d < time.Minute:
		return d.Round(time.Second).String()
	case d < 48*time.Hour:
		return strings.TrimSuffix(d.Round(time.Minute).String(), "0s")
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}

// OrDash returns text, or a dash for none.
func OrDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

// directories writes a list of directories in one column.
func directories(list []string) string {
	var out []string
	for _, dir := range list {
		out = append(out, progress.Plain(dir))
	}
	return OrDash(strings.Join(out, ", "))
}

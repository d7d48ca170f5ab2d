package result

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// columns are the heads of the table.
func columns() []string {
	return []string{"", "seconds", "rate", "mft is", "CPU s (both ends)", "peak MiB", "private MiB", "MiB on the wire"}
}

// label is the name of a contender, or of a limit in parentheses.
func (row Row) label() string {
	if row.Limit {
		return "(" + row.Contender + ")"
	}
	return row.Contender
}

// cells are a row of the table, which must have samples.
func (r *Report) cells(w Workload, row Row) []string {
	m := row.Median()
	cells := []string{
		row.label(), seconds(row, m), rate(w, m), r.against(w, row, m),
		fmt.Sprintf("%.2f + %.2f", m.SenderCPU, m.ReceiverCPU),
		fmt.Sprintf("%.0f + %.0f", mebi(m.SenderPeak), mebi(m.ReceiverPeak)), private(m),
	}
	if m.Wire < 0 {
		return append(cells, "–")
	}
	return append(cells, fmt.Sprintf("%.2f", mebi(m.Wire)))
}

// seconds is the time; on a disk also what the system then wrote by itself.
func seconds(row Row, m Sample) string {
	if row.Medium == RAM {
		return fmt.Sprintf("%.2f", m.Wall)
	}
	return fmt.Sprintf("%.2f (then flushed %.2f)", m.Wall, m.Flush)
}

// private is what of the memory is no page of a file.
func private(m Sample) string {
	if m.SenderPrivate == 0 && m.ReceiverPrivate == 0 {
		return "–"
	}
	return fmt.Sprintf("%.0f + %.0f", mebi(m.SenderPrivate), mebi(m.ReceiverPrivate))
}

func mebi(n int64) float64 { return float64(n) / (1 << 20) }

// rate is how fast content was moved, or files were looked at.
func rate(w Workload, m Sample) string {
	switch {
	case w.Bandwidth > 0 && w.Files == 1:
		return fmt.Sprintf("%.0f %% of the way's bandwidth", 100*float64(w.Bytes)/m.Wall/w.Bandwidth)
	case w.Files > 1:
		return fmt.Sprintf("%.0f files/s", float64(w.Files)/m.Wall)
	}
	return fmt.Sprintf("%.0f MiB/s", mebi(w.Bytes)/m.Wall)
}

// against tells how mft did in comparison.
func (r *Report) against(w Workload, row Row, m Sample) string {
	own, ok := r.Find(w.Key, "mft", row.Medium)
	if !ok || row.Contender == "mft" {
		return ""
	}
	return fmt.Sprintf("%.2f×", m.Wall/own.Wall)
}

// Table writes the report as text.
func (r *Report) Table(out io.Writer) error {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "%s\nscale %g, medians of %d rounds\n", r.Machine, r.Scale, r.Rounds)
	for _, n := range r.Notes {
		fmt.Fprintln(t, n)
	}
	for _, g := range r.groups() {
		fmt.Fprintf(t, "\n%s\n", g.title)
		fmt.Fprintln(t, strings.Join(columns(), "\t"))
		for _, row := range g.rows {
			if len(row.Samples) > 0 {
				fmt.Fprintln(t, strings.Join(r.cells(g.workload, row), "\t"))
			}
		}
		for _, row := range g.rows {
			if len(row.Samples) == 0 {
				fmt.Fprintf(t, "%s: %s\n", row.label(), row.Why)
			}
		}
	}
	for i := range r.Idle {
		fmt.Fprintf(t, "\n%s\n", &r.Idle[i])
	}
	return t.Flush()
}

func (i *Idle) String() string {
	if i.Why != "" {
		return fmt.Sprintf("(k) an agent with %d channels: %s", i.Channels, i.Why)
	}
	line := fmt.Sprintf("(k) an agent with %d channels of %d files each that wait for %s, idle for %.0f s: %.2f ms of CPU per second, %.0f MiB resident (%.1f s of CPU to start)",
		i.Channels, i.Files, i.Waits, i.Seconds, i.CPU, mebi(i.Resident), i.Start)
	if i.Scans > 0 {
		line += fmt.Sprintf("; to look at all files again takes %.2f s, each %.0f s: %.2f ms per second with that", i.Scan, i.Scans, i.whole())
	}
	return line
}

// A group is the rows of a workload on one medium.
type group struct {
	title    string
	workload Workload
	rows     []Row
}

// groups returns the rows by workload and medium, in the order of measuring.
func (r *Report) groups() []group {
	var out []group
	for _, medium := range r.media() {
		for _, w := range r.Workloads {
			g := group{title: fmt.Sprintf("(%s) %s, %s", w.Key, w.Title, medium), workload: w}
			for _, row := range r.Rows {
				if row.Workload == w.Key && row.Medium == medium {
					g.rows = append(g.rows, row)
				}
			}
			if len(g.rows) > 0 {
				out = append(out, g)
			}
		}
	}
	return out
}

// media are the places where data lay, in the order of measuring.
func (r *Report) media() []string {
	var out []string
	seen := map[string]bool{}
	for _, row := range r.Rows {
		if !seen[row.Medium] {
			seen[row.Medium] = true
			out = append(out, row.Medium)
		}
	}
	return out
}

package result

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
)

// A measure is what a demand looks at.
type measure int

const (
	faster         measure = iota // how many times as long the other one takes
	bandwidth                     // share of the bandwidth of the way
	wire                          // MiB on the wire
	wirePerMillion                // the same for every 1,000,000 files
	peak                          // MiB of memory of one agent
	wireOf                        // bytes on the wire, as a share of the other's
	cpuOf                         // CPU time of both ends, as a share of the other's
	peakOf                        // peak memory, as a share of the other's
)

// A demand is a floor, or a ceiling, that the project has set itself.
type demand struct {
	workload string
	measure  measure
	against  string // a contender, "" for none
	want     float64
}

// atMost says whether the demand is a ceiling.
func (d demand) atMost() bool { return d.measure != faster && d.measure != bandwidth }

// demands is the bar: the table of the requirement. It holds for
// data on a RAM disk and both ends on one machine of two cores.
func demands() []demand {
	out := []demand{
		{"a", faster, "rsync+ssh", 1.7},
		{"a", faster, "rsyncd", 0.85},
		{"a", faster, "tls", 0.85},
		{"a", peak, "", 64},
		{"b", faster, "rsync+ssh", 2.5},
		{"b", faster, "rsyncd", 1.4},
		{"b", faster, "cp", 0.6},
		{"c", faster, "rsync+ssh", 3},
		{"c", faster, "rsyncd", 1.5},
		{"d", faster, "rsync+ssh", 2.5},
		{"d", faster, "rsyncd", 1.3},
		{"e", faster, "rsync+ssh", 2.5},
		{"e", faster, "rsyncd", 2},
		{"e", wireOf, "rsyncd", 1},
		{"f", faster, "rsync+ssh", 2.5},
		{"f", faster, "rsyncd", 2},
		{"f", wireOf, "rsyncd", 1},
		{"g", faster, "rsync+ssh", 20},
		{"g", faster, "rsyncd", 20},
		{"g", wire, "", 1}, // names, but no content
		{"i", faster, "rsync+ssh", 3},
		{"i", faster, "rsyncd", 1.5},
		{"i", wirePerMillion, "", 1},
		{"i", peak, "", 200},
		{"j1", faster, "rsync+ssh", 2},
		{"j1", faster, "rsyncd", 1.5},
		{"j1", bandwidth, "", 0.8},
	}
	for _, key := range []string{"j2", "j3", "j4"} {
		out = append(out, demand{key, faster, "rsync+ssh", 2}, demand{key, faster, "rsyncd", 1.5})
	}
	for _, key := range []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j1", "j2", "j3", "j4"} {
		out = append(out, demand{key, cpuOf, "rsync+ssh", 1}, demand{key, peakOf, "rsync+ssh", 1})
	}
	for _, other := range []string{"azcopy", "rclone", "sdk"} {
		out = append(out, demand{"l1", faster, other, 1}, demand{"l2", faster, other, 3})
	}
	slices.SortStableFunc(out, func(a, b demand) int { return strings.Compare(a.workload, b.workload) })
	return out
}

// A Verdict is a demand and what was reached.
type Verdict struct {
	Workload string
	// What is measured, and against whom.
	What string
	// Want and Got are numbers with their units; Got says why there is none.
	Want, Got string
	// Measured says whether there is a number, Holds whether it will do.
	Measured, Holds bool
}

func (v Verdict) answer() string {
	switch {
	case !v.Measured:
		return "not measured"
	case v.Holds:
		return "holds"
	}
	return "MISSED"
}

// Verdicts holds the report against the bar, as far as the report has a row for
// the workload and for whom mft is compared with.
func (r *Report) Verdicts() []Verdict {
	var out []Verdict
	for _, d := range demands() {
		for _, w := range r.Workloads {
			if w.Key == d.workload && (d.against == "" || r.has(w.Key, d.against)) {
				out = append(out, r.judge(d, w))
			}
		}
	}
	for i := range r.Idle {
		out = append(out, r.Idle[i].verdicts()...)
	}
	return out
}

// verdicts hold an agent with nothing to do against the bar: a hundredth of a core, with
// its looking at all files now and then, and 128 MiB.
func (i *Idle) verdicts() []Verdict {
	const core, memory = 10, 128
	cpu := Verdict{Workload: "k", What: "CPU while it waits for " + i.Waits, Want: "≤ 10 ms/s", Got: "–"}
	mem := Verdict{Workload: "k", What: "memory while it waits for " + i.Waits, Want: "≤ 128 MiB", Got: "–"}
	if i.Why == "" {
		cpu.Measured, cpu.Got, cpu.Holds = true, fmt.Sprintf("%.1f ms/s", i.whole()), i.whole() <= core
		mem.Measured, mem.Got, mem.Holds = true, fmt.Sprintf("%.0f MiB", mebi(i.Resident)), mebi(i.Resident) <= memory
	}
	return []Verdict{cpu, mem}
}

// whole is the CPU with the scans, in milliseconds per second.
func (i *Idle) whole() float64 {
	if i.Scans == 0 {
		return i.CPU
	}
	return i.CPU + 1000*i.Scan/i.Scans
}

func (r *Report) has(workload, contender string) bool {
	return slices.ContainsFunc(r.Rows, func(row Row) bool {
		return row.Workload == workload && row.Contender == contender && row.Medium == RAM
	})
}

func (r *Report) judge(d demand, w Workload) Verdict {
	v := Verdict{Workload: d.workload, What: d.what(), Got: "–"}
	v.Want = "≥ " + d.say(d.want)
	if d.atMost() {
		v.Want = "≤ " + d.say(d.want)
	}
	own, ok := r.Find(d.workload, "mft", RAM)
	if !ok {
		return v
	}
	var other Sample
	if d.against != "" {
		if other, ok = r.Find(d.workload, d.against, RAM); !ok {
			return v
		}
	}
	got, ok := d.reached(w, own, other)
	if !ok {
		return v
	}
	v.Measured, v.Got = true, d.say(got)
	v.Holds = got >= d.want
	if d.atMost() {
		v.Holds = got <= d.want
	}
	return v
}

// reached computes what a demand looks at; ok is false where it was not
// measured.
func (d demand) reached(w Workload, own, other Sample) (got float64, ok bool) {
	part, whole := 0.0, 1.0
	switch d.measure {
	case faster:
		part, whole = other.Wall, own.Wall
	case bandwidth:
		part, whole = float64(w.Bytes)/own.Wall, w.Bandwidth
	case wire:
		return mebi(own.Wire), own.Wire >= 0
	case wirePerMillion:
		return mebi(own.Wire) / float64(w.Files) * 1e6, own.Wire >= 0
	case peak:
		return mebi(own.Peak()), own.Peak() > 0
	case wireOf:
		part, whole = float64(own.Wire), float64(other.Wire)
	case cpuOf:
		part, whole = own.CPU(), other.CPU()
	case peakOf:
		part, whole = float64(own.Peak()), float64(other.Peak())
	}
	if part < 0 || whole <= 0 {
		return 0, false
	}
	return part / whole, true
}

// what says it in words.
func (d demand) what() string {
	switch d.measure {
	case faster:
		return "speed against " + d.against
	case bandwidth:
		return "share of the bandwidth"
	case wire:
		return "bytes on the wire"
	case wirePerMillion:
		return "bytes on the wire for 1,000,000 files"
	case peak:
		return "memory of one agent"
	case wireOf:
		return "bytes on the wire against " + d.against
	case cpuOf:
		return "CPU time against " + d.against
	}
	return "memory against " + d.against
}

// say writes a number as people read it.
func (d demand) say(n float64) string {
	switch d.measure {
	case bandwidth:
		return fmt.Sprintf("%.0f %%", 100*n)
	case wire, wirePerMillion:
		return fmt.Sprintf("%.2f MiB", n)
	case peak:
		return fmt.Sprintf("%.0f MiB", n)
	}
	return fmt.Sprintf("%.2f×", n)
}

// Judge writes the verdicts as text.
func (r *Report) Judge(out io.Writer) error {
	verdicts := r.Verdicts()
	if len(verdicts) == 0 {
		return nil
	}
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprint(t, "\nthe bar (RAM)\n\t\twanted\treached\t\n")
	for _, v := range verdicts {
		fmt.Fprintf(t, "(%s)\t%s\t%s\t%s\t%s\n", v.Workload, v.What, v.Want, v.Got, v.answer())
	}
	return t.Flush()
}

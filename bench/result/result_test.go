package result

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"time"
)

// ran is a row of samples that took the given seconds.
func ran(workload, contender string, walls ...float64) Row {
	row := Row{Workload: workload, Contender: contender, Medium: RAM}
	for _, w := range walls {
		row.Samples = append(row.Samples, Sample{
			Wall: w, SenderCPU: w, ReceiverCPU: w / 2, SenderPeak: int64(w * (1 << 20)), ReceiverPeak: 1 << 20,
			SenderPrivate: int64(w * (1 << 19)), ReceiverPrivate: 1 << 18, Wire: int64(w * 100),
		})
	}
	return row
}

func sample() *Report {
	return &Report{
		When: time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC), Machine: "2 × <Some> Processor", Scale: 0.5, Rounds: 3,
		Notes:     []string{"(j1): round trip 50ms"},
		Workloads: []Workload{{Key: "a", Title: "one file of 4 GiB", Bytes: 2 << 30, Files: 1, Fresh: true}, {Key: "c", Title: "nothing changed", Files: 1000}},
		Rows: []Row{
			ran("a", "mft", 10, 9, 11), ran("a", "rsync+ssh", 20, 21, 19),
			{Workload: "a", Contender: "rsyncd", Medium: RAM, Why: "WRONG: item has 1 bytes | instead of 2"},
			{Workload: "a", Contender: "tls", Medium: RAM, Limit: true, Samples: []Sample{{Wall: 8, Wire: -1}}},
			ran("c", "mft", 1), ran("c", "rsync+ssh", 2), ran("c", "rsyncd", 3000),
		},
		Idle: []Idle{{Channels: 100, Files: 10, Waits: "a marker", Seconds: 20, CPU: 1.5, Scan: 6, Scans: 600, Resident: 26 << 20}},
	}
}

func TestMedian(t *testing.T) {
	for _, tc := range []struct {
		name  string
		walls []float64
		want  float64
	}{
		{"one", []float64{3}, 3},
		{"odd", []float64{9, 1, 5}, 5},
		{"even", []float64{4, 1, 2, 100}, 3},
	} {
		t.Run(tc.name, func(t *testing.T) {
			row := ran("a", "mft", tc.walls...)
			got := row.Median()
			if got.Wall != tc.want {
				t.Errorf("Median().Wall of %v = %v, want %v", tc.walls, got.Wall, tc.want)
			}
			most := row.Samples[0].SenderPeak
			for _, s := range row.Samples {
				most = max(most, s.SenderPeak)
			}
			if got.SenderPeak != most {
				t.Errorf("Median().SenderPeak = %v, want the greatest, %v", got.SenderPeak, most)
			}
			if got.SenderPrivate != most/2 || got.ReceiverPrivate != 1<<18 {
				t.Errorf("the private memory is %v and %v, want %v and %v", got.SenderPrivate, got.ReceiverPrivate, most/2, 1<<18)
			}
		})
	}
}

func TestTable(t *testing.T) {
	var b bytes.Buffer
	if err := sample().Table(&b); err != nil {
		t.Fatal(err)
	}
	got := b.String()
	for _, want := range []string{
		"(a) one file of 4 GiB, RAM",
		"rsync+ssh  20.00    102 MiB/s  2.00×   20.00 + 10.00      21 + 1",
		"(tls)      8.00     256 MiB/s  0.80×   0.00 + 0.00        0 + 0     –",
		"rsyncd: WRONG: item has 1 bytes | instead of 2",
		"1000 files/s",
		"idle for 20 s: 1.50 ms of CPU per second, 26 MiB resident",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("Table has no %q:\n%s", want, got)
		}
	}
}

func TestVerdicts(t *testing.T) {
	r := sample()
	got := map[string]Verdict{}
	for _, v := range r.Verdicts() {
		got[v.Workload+" "+v.What] = v
	}
	for _, tc := range []struct {
		key, got        string
		measured, holds bool
	}{
		{"a speed against rsync+ssh", "2.00×", true, true},
		{"a speed against rsyncd", "–", false, false},
		{"a speed against tls", "0.80×", true, false},
		{"a memory of one agent", "11 MiB", true, true},
		{"a CPU time against rsync+ssh", "0.50×", true, true},
		{"c speed against rsync+ssh", "2.00×", true, false},
		{"c speed against rsyncd", "3000.00×", true, true},
		{"k CPU while it waits for a marker", "11.5 ms/s", true, false},
		{"k memory while it waits for a marker", "26 MiB", true, true},
	} {
		v, ok := got[tc.key]
		if !ok {
			t.Errorf("Verdicts says nothing of %q", tc.key)
			continue
		}
		if v.Got != tc.got || v.Measured != tc.measured || v.Holds != tc.holds {
			t.Errorf("Verdicts of %q = %q, measured %v, holds %v; want %q, %v, %v",
				tc.key, v.Got, v.Measured, v.Holds, tc.got, tc.measured, tc.holds)
		}
	}
	for key := range got {
		if strings.HasPrefix(key, "b ") || strings.HasSuffix(key, " cp") {
			t.Errorf("Verdicts judges %q, which nobody took part in", key)
		}
	}
}

func TestReached(t *testing.T) {
	w := Workload{Bytes: 1000, Files: 500_000, Bandwidth: 100}
	own := Sample{Wall: 20, SenderCPU: 1, ReceiverCPU: 1, SenderPeak: 1 << 20, ReceiverPeak: 3 << 20, Wire: 1 << 20}
	other := Sample{Wall: 30, SenderCPU: 3, ReceiverCPU: 1, SenderPeak: 6 << 20, Wire: 2 << 20}
	uncounted := Sample{Wall: 30, Wire: -1}
	for _, tc := range []struct {
		name       string
		measure    measure
		own, other Sample
		want       float64
		ok         bool
	}{
		{"faster", faster, own, other, 1.5, true},
		{"bandwidth", bandwidth, own, Sample{}, 0.5, true},
		{"wire", wire, own, Sample{}, 1, true},
		{"wire uncounted", wire, uncounted, Sample{}, 0, false},
		{"wire of a million", wirePerMillion, own, Sample{}, 2, true},
		{"wire against another", wireOf, own, other, 0.5, true},
		{"wire against one that was not counted", wireOf, own, uncounted, 0, false},
		{"peak", peak, own, Sample{}, 3, true},
		{"CPU", cpuOf, own, other, 0.5, true},
		{"CPU against none", cpuOf, own, uncounted, 0, false},
		{"peak against another", peakOf, own, other, 0.5, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, ok := demand{measure: tc.measure}.reached(w, tc.own, tc.other)
			if ok != tc.ok || ok && got != tc.want {
				t.Errorf("reached = %v, %v; want %v, %v", got, ok, tc.want, tc.ok)
			}
		})
	}
}

// TestDemands holds the bar to the requirement's extremes, so that nobody
// lowers it unseen.
func TestDemands(t *testing.T) {
	ceilings, floors := 0, 0.0
	for _, d := range demands() {
		switch d.measure {
		case faster:
			floors += d.want
		case cpuOf, peakOf, wireOf:
			ceilings++
			if d.want != 1 {
				t.Errorf("(%s) %s: want %v, not 1", d.workload, d.what(), d.want)
			}
		}
	}
	if want := 95.7; floors < want-0.001 || floors > want+0.001 {
		t.Errorf("the floors for speed add up to %v, want %v", floors, want)
	}
	if want := 13*2 + 2; ceilings != want {
		t.Errorf("there are %d ceilings against others, want %d", ceilings, want)
	}
}

func TestPlotIsWellFormed(t *testing.T) {
	r := sample()
	r.Workloads[0].Title = `<script> & "quotes"`
	plot := r.Plot()
	d := xml.NewDecoder(strings.NewReader(plot))
	bars := 0
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("Plot is not well-formed: %v", err)
		}
		start, ok := token.(xml.StartElement)
		if !ok {
			continue
		}
		for _, a := range start.Attr {
			if a.Name.Local == "class" && (a.Value == "mft" || a.Value == "peer" || a.Value == "limit") {
				bars++
			}
			if a.Name.Local == "href" || a.Name.Local == "src" {
				t.Errorf("Plot refers to %q", a.Value)
			}
		}
	}
	if bars != 6 {
		t.Errorf("Plot has %d bars, want 6", bars)
	}
	for _, want := range []string{"prefers-color-scheme: dark", `width="520"`, "3000.00 s →"} {
		if !strings.Contains(plot, want) {
			t.Errorf("Plot has no %q", want)
		}
	}
}

func TestMarkdown(t *testing.T) {
	got := sample().Markdown("performance.svg")
	for _, want := range []string{
		"Measured 2026-11-22 on 2 × &lt;Some> Processor; scale 0.5, medians of 3 rounds.",
		"![Time of each contender relative to rsync over ssh](performance.svg)",
		"### (a) one file of 4 GiB, RAM",
		"| mft | 10.00 |",
		`rsyncd: WRONG: item has 1 bytes \| instead of 2`,
		"| (a) | speed against tls | ≥ 0.85× | 0.80× | MISSED |",
		"| (a) | speed against rsyncd | ≥ 0.85× | – | not measured |",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("Markdown has no %q:\n%s", want, got)
		}
	}
	cells := 0 // of the table's first line
	for l := range strings.Lines(got) {
		switch n := strings.Count(strings.ReplaceAll(l, `\|`, ""), "|"); {
		case n == 0 || cells == 0:
			cells = n
		case n != cells:
			t.Errorf("a line of a table has %d bars where its first has %d: %q", n, cells, l)
		}
	}
}

func TestReplace(t *testing.T) {
	got, err := Replace("above\n<!-- numbers -->\nold\n<!-- end -->\nbelow\n", "new\n")
	if want := "above\n<!-- numbers -->\nnew\n<!-- end -->\nbelow\n"; got != want || err != nil {
		t.Errorf("Replace = %q, %v; want %q", got, err, want)
	}
	for name, document := range map[string]string{"no mark": "text", "no end": "<!-- numbers -->\nold"} {
		if got, err := Replace(document, "new"); err == nil {
			t.Errorf("%s: Replace = %q, want an error", name, got)
		}
	}
}

func TestJSON(t *testing.T) {
	want := sample()
	var b bytes.Buffer
	if err := want.WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	got, err := ReadJSON(&b)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("ReadJSON = %+v, want %+v", got, want)
	}
}

func TestAdd(t *testing.T) {
	r := sample()
	newer := &Report{
		Scale: 0.5, Notes: []string{"(j1): round trip 50ms"},
		Workloads: []Workload{{Key: "b", Title: "small"}, {Key: "a", Title: "again"}},
		Rows:      []Row{ran("a", "mft", 5), ran("b", "mft", 7)},
	}
	if err := r.Add(newer); err != nil {
		t.Fatal(err)
	}
	var keys []string
	for _, w := range r.Workloads {
		keys = append(keys, w.Key+" "+w.Title)
	}
	if got, want := strings.Join(keys, ", "), "a again, b small, c nothing changed"; got != want {
		t.Errorf("after Add the workloads are %s, want %s", got, want)
	}
	if s, ok := r.Find("a", "mft", RAM); !ok || s.Wall != 5 {
		t.Errorf("after Add mft takes %v s, want 5", s.Wall)
	}
	if s, ok := r.Find("a", "rsync+ssh", RAM); !ok || s.Wall != 20 {
		t.Errorf("after Add rsync takes %v s, want the 20 of before", s.Wall)
	}
	if len(r.Notes) != 1 {
		t.Errorf("after Add there are notes %q, want one", r.Notes)
	}
	if err := r.Add(&Report{Scale: 1}); err == nil {
		t.Error("Add takes a report of another scale")
	}
}

package result

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// A Sample is one run, or the median of several.
type Sample struct {
	// Wall is the time that a person waited, in seconds.
	Wall float64 `json:"wall_s"`
	// Flush is the time that the system then took to write to stable storage
	// what the run had left in memory, in seconds.
	Flush float64 `json:"flush_s"`
	// SenderCPU and ReceiverCPU are seconds of all processes of an end.
	SenderCPU   float64 `json:"sender_cpu_s"`
	ReceiverCPU float64 `json:"receiver_cpu_s"`
	// SenderPeak and ReceiverPeak are the most resident memory of any one
	// process of an end, in bytes.
	SenderPeak   int64 `json:"sender_peak_bytes"`
	ReceiverPeak int64 `json:"receiver_peak_bytes"`
	// SenderPrivate and ReceiverPrivate are the same without pages of files,
	// such as those of the program; 0 where nobody looked.
	SenderPrivate   int64 `json:"sender_private_bytes,omitempty"`
	ReceiverPrivate int64 `json:"receiver_private_bytes,omitempty"`
	// Wire is what crossed the network, headers included, in bytes; -1 where
	// nobody could count it.
	Wire int64 `json:"wire_bytes"`
}

// CPU is that of both ends.
func (s Sample) CPU() float64 { return s.SenderCPU + s.ReceiverCPU }

// Peak is the greater one of both ends.
func (s Sample) Peak() int64 { return max(s.SenderPeak, s.ReceiverPeak) }

// A Workload is what was to be done.
type Workload struct {
	Key   string `json:"key"`
	Title string `json:"title"`
	// Bytes and Files are what the source holds at the scale of the run.
	Bytes int64 `json:"bytes"`
	Files int   `json:"files"`
	// Fresh says that all of it had to be moved.
	Fresh bool `json:"fresh"`
	// Bandwidth is that of the way between the ends in bytes per second; 0 is
	// as much as there is.
	Bandwidth float64 `json:"bandwidth_bytes_per_s"`
}

// A Row is how a contender did a workload.
type Row struct {
	Workload  string `json:"workload"`
	Contender string `json:"contender"`
	// Medium is where the data lay: RAM or disk.
	Medium string `json:"medium"`
	// Limit says that it is a bound of the machine, no contender.
	Limit   bool     `json:"limit"`
	Samples []Sample `json:"samples"`
	// Why says why there are no samples.
	Why string `json:"why,omitempty"`
}

// Idle is what an agent costs that has nothing to do.
type Idle struct {
	Channels int `json:"channels"`
	// Files are below the source of each channel, and were sent.
	Files int `json:"files"`
	// Waits says what the channels wait for.
	Waits   string  `json:"waits"`
	Seconds float64 `json:"seconds"`
	// Start is what the agent used before, in seconds: it starts, and looks at all the
	// files once where the channels watch them.
	Start float64 `json:"start_cpu_s"`
	// CPU is in milliseconds per second.
	CPU float64 `json:"cpu_ms_per_s"`
	// Scan is what looking at all files once more takes, in seconds of CPU, and Scans
	// how many seconds lie between two such looks; zero where channels do not watch.
	Scan  float64 `json:"scan_cpu_s,omitempty"`
	Scans float64 `json:"scans_every_s,omitempty"`
	// Resident is in bytes.
	Resident int64 `json:"resident_bytes"`
	// Why says why there are no numbers.
	Why string `json:"why,omitempty"`
}

// A Report is everything that one command measured.
type Report struct {
	When      time.Time  `json:"when"`
	Machine   string     `json:"machine"`
	Scale     float64    `json:"scale"`
	Rounds    int        `json:"rounds"`
	Notes     []string   `json:"notes"`
	Workloads []Workload `json:"workloads"`
	Rows      []Row      `json:"rows"`
	// Idle are agents with nothing to do, by what they wait for.
	Idle []Idle `json:"idle,omitempty"`
}

// RAM is the medium of the bar.
const RAM = "RAM"

// Find returns the row of a contender that has numbers.
func (r *Report) Find(workload, contender, medium string) (Sample, bool) {
	i := slices.IndexFunc(r.Rows, func(row Row) bool {
		return row.Workload == workload && row.Contender == contender && row.Medium == medium && len(row.Samples) > 0
	})
	if i < 0 {
		return Sample{}, false
	}
	return r.Rows[i].Median(), true
}

// WriteJSON writes the report with all samples.
func (r *Report) WriteJSON(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", " ")
	return enc.Encode(r)
}

// ReadJSON reads what WriteJSON wrote.
func ReadJSON(from io.Reader) (*Report, error) {
	r := &Report{}
	if err := json.NewDecoder(from).Decode(r); err != nil {
		return nil, fmt.Errorf("reading a report: %w", err)
	}
	return r, nil
}

// Add takes over what another report has, instead of what this one has of the
// same workload and medium. Both must be of one scale.
func (r *Report) Add(other *Report) error {
	if r.Scale != other.Scale {
		return fmt.Errorf("a report of scale %g and one of scale %g do not go together", r.Scale, other.Scale)
	}
	for _, w := range other.Workloads {
		r.Workloads = slices.DeleteFunc(r.Workloads, func(old Workload) bool { return old.Key == w.Key })
	}
	r.Workloads = append(r.Workloads, other.Workloads...)
	slices.SortStableFunc(r.Workloads, func(a, b Workload) int { return strings.Compare(a.Key, b.Key) })
	for _, row := range other.Rows {
		r.Rows = slices.DeleteFunc(r.Rows, func(old Row) bool {
			return old.Workload == row.Workload && old.Contender == row.Contender && old.Medium == row.Medium
		})
	}
	r.Rows = append(r.Rows, other.Rows...)
	for _, n := range other.Notes {
		if !slices.Contains(r.Notes, n) {
			r.Notes = append(r.Notes, n)
		}
	}
	if other.Idle != nil {
		r.Idle = other.Idle
	}
	return nil
}

// Median is the median of every measure by itself, and the greatest of the
// peaks. The row must have samples.
func (row Row) Median() Sample {
	return Sample{
		Wall:            median(row.Samples, func(s Sample) float64 { return s.Wall }),
		Flush:           median(row.Samples, func(s Sample) float64 { return s.Flush }),
		SenderCPU:       median(row.Samples, func(s Sample) float64 { return s.SenderCPU }),
		ReceiverCPU:     median(row.Samples, func(s Sample) float64 { return s.ReceiverCPU }),
		SenderPeak:      greatest(row.Samples, func(s Sample) int64 { return s.SenderPeak }),
		ReceiverPeak:    greatest(row.Samples, func(s Sample) int64 { return s.ReceiverPeak }),
		SenderPrivate:   greatest(row.Samples, func(s Sample) int64 { return s.SenderPrivate }),
		ReceiverPrivate: greatest(row.Samples, func(s Sample) int64 { return s.ReceiverPrivate }),
		Wire:            int64(median(row.Samples, func(s Sample) float64 { return float64(s.Wire) })),
	}
}

func median(samples []Sample, of func(Sample) float64) float64 {
	values := make([]float64, len(samples))
	for i, s := range samples {
		values[i] = of(s)
	}
	slices.Sort(values)
	n := len(values)
	if n%2 == 1 {
		return values[n/2]
	}
	return (values[n/2-1] + values[n/2]) / 2
}

func greatest(samples []Sample, of func(Sample) int64) int64 {
	most := of(samples[0])
	for _, s := range samples {
		most = max(most, of(s))
	}
	return most
}

// Package expect has the section `expect:` of a channel: what people count on of it.
//
//	expect: {due_by: "02:30", grace: 30m, silence: 26h, size: {min: 1MiB}, count: {min: 10, max: 500}}
//
// Its types are read by package strict, and written as they were read.
package expect

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/config/leaf"
	"mft.dev/mft/agent/config/storage"
)

// An Entry is the section.
type Entry struct {
	DueBy   DueBy        `yaml:"due_by" doc:"By when content has to have moved: a time of each day, as 02:30, or a schedule like that of when; in the zone of when.timezone."`
	Grace   leaf.Silence `yaml:"grace" doc:"How long after due_by content that is late becomes content that is missing, 1m to 8760h. Default: 1h."`
	Silence leaf.Silence `yaml:"silence" doc:"How long no content may move, 1m to 8760h."`
	Size    *Sizes       `yaml:"size" doc:"What a run moves that moves anything, in bytes."`
	Count   *Counts      `yaml:"count" doc:"How many files a run moves that moves anything."`
}

// Sizes are from one size to another.
type Sizes struct {
	Min storage.Bytes `yaml:"min" doc:"At least so much, such as 1MiB."`
	Max storage.Bytes `yaml:"max" doc:"At most so much. Default: no limit."`
}

// Counts are from one number to another.
type Counts struct {
	Min storage.Count `yaml:"min" doc:"At least so many."`
	Max storage.Count `yaml:"max" doc:"At most so many. Default: no limit."`
}

const defaultGrace = time.Hour

// Check implements strict.Whole.
func (e *Entry) Check() error {
	switch {
	case e.Grace > 0 && e.DueBy == "":
		return errors.New("grace is that of due_by, and there is none")
	case e.Size != nil && e.Size.Max > 0 && e.Size.Min > e.Size.Max, e.Count != nil && e.Count.Max > 0 && e.Count.Min > e.Count.Max:
		return errors.New("min is more than max")
	}
	return nil
}

// Expectation returns what the section says, for a channel whose schedule has
// a zone. Without the section that is nothing.
func (e *Entry) Expectation(zone string) mft.Expectation {
	if e == nil {
		return mft.Expectation{}
	}
	out := mft.Expectation{Silence: time.Duration(e.Silence), DueBy: e.DueBy.schedule()}
	if out.DueBy != "" {
		out.Zone, out.Grace = zone, time.Duration(e.Grace)
		if out.Grace == 0 {
			out.Grace = defaultGrace
		}
	}
	if e.Size != nil {
		out.Size = mft.Range{Min: int64(e.Size.Min), Max: int64(e.Size.Max)}
	}
	if e.Count != nil {
		out.Count = mft.Range{Min: int64(e.Count.Min), Max: int64(e.Count.Max)}
	}
	return out
}

// DocumentOf returns what Entry reads, by key; nil of nothing.
func DocumentOf(x mft.Expectation) map[string]any {
	out := map[string]any{}
	if x.DueBy != "" {
		out["due_by"], out["grace"] = x.DueBy, x.Grace.String()
	}
	if x.Silence > 0 {
		out["silence"] = x.Silence.String()
	}
	if size := rangeOf(x.Size, func(n int64) any { return storage.Bytes(n).String() }); len(size) > 0 {
		out["size"] = size
	}
	if count := rangeOf(x.Count, func(n int64) any { return n }); len(count) > 0 {
		out["count"] = count
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

func rangeOf(r mft.Range, show func(int64) any) map[string]any {
	out := map[string]any{}
	if r.Min > 0 {
		out["min"] = show(r.Min)
	}
	if r.Max > 0 {
		out["max"] = show(r.Max)
	}
	return out
}

// A DueBy is a time of each day, or a schedule.
type DueBy string

// ReadText implements strict.Leaf.
func (v *DueBy) ReadText(s string) error {
	*v = DueBy(s)
	if _, ok := v.daily(); ok {
		return nil
	}
	var schedule leaf.Schedule
	if err := schedule.ReadText(s); err != nil {
		return fmt.Errorf("want a time of the day such as 02:30, or a schedule: %w", err)
	}
	return nil
}

// Schema implements strict.Leaf.
func (*DueBy) Schema() map[string]any {
	return leaf.Text(`^(([01]?[0-9]|2[0-3]):[0-5][0-9]|@[a-z]+|\S+(\s+\S+){4,5})$`)
}

// daily returns the schedule of a time of each day.
func (v DueBy) daily() (string, bool) {
	hours, minutes, ok := strings.Cut(string(v), ":")
	h, herr := strconv.ParseUint(hours, 10, 8)
	m, merr := strconv.ParseUint(minutes, 10, 8)
	if !ok || herr != nil || merr != nil || len(minutes) != 2 || h > 23 || m > 59 {
		return "", false
	}
	return fmt.Sprintf("%d %d * * *", m, h), true
}

func (v DueBy) schedule() string {
	if s, ok := v.daily(); ok {
		return s
	}
	return string(v)
}

package when

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"mft.dev/mft"
	"mft.dev/mft/agent/config/leaf"
	"mft.dev/mft/agent/config/strict"
	"mft.dev/mft/internal/confine/filesys"
	"mft.dev/mft/trigger/schedule"
)

const (
	maxFile      = 64 << 10 // bytes of a file of holidays
	maxCalendars = 100

	defaultWorkdays = "mon-fri"
)

// A Calendar says which days are working days.
type Calendar struct {
	strict.Place
	Workdays Week           `yaml:"workdays" doc:"Days of the week on which people work, as a crontab has them, such as mon-fri or sun-thu. Default: mon-fri."`
	Holidays []Day          `yaml:"holidays" doc:"Days off among them: 2026-12-25, or 12-25 for every year."`
	File     leaf.LocalPath `yaml:"file" doc:"File with more days off, one a line; # begins a comment. At most 64 KiB. It is read again when it changes."`
}

// Week is days of the week.
type Week string

// ReadText implements strict.Leaf.
func (v *Week) ReadText(s string) error {
	*v = Week(s)
	_, err := schedule.ReadCalendar(mft.Calendar{Workdays: s})
	return leaf.Cause(err)
}

// Schema implements strict.Leaf.
func (*Week) Schema() map[string]any { return leaf.Text(`^\S+$`) }

// A Day is a day off.
type Day string

// ReadText implements strict.Leaf.
func (v *Day) ReadText(s string) error {
	*v = Day(s)
	_, err := schedule.ParseDate(s)
	return leaf.Cause(err)
}

// Schema implements strict.Leaf.
func (*Day) Schema() map[string]any { return leaf.Text(`^([0-9]{4}-)?[0-9]{2}-[0-9]{2}$`) }

// Calendars returns the calendars by name, with the days of their files, which read
// reads as ReadFile does. Mistakes go to d.
func Calendars(d *strict.Decoder, from map[leaf.ChannelName]Calendar, read func(path string) ([]string, error)) (out []mft.Calendar) {
	if len(from) > maxCalendars {
		d.Mistake(0, "calendars", "has more than %d calendars", maxCalendars)
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(from)) {
		e := from[name]
		c := mft.Calendar{Name: string(name), Workdays: defaultWorkdays}
		if e.Workdays != "" {
			c.Workdays = string(e.Workdays)
		}
		for _, day := range e.Holidays {
			c.Holidays = append(c.Holidays, string(day))
		}
		if e.File != "" {
			more, err := read(string(e.File))
			if err != nil {
				d.Mistake(e.Line, e.Key+".file", "%v", err)
			}
			c.Holidays, c.File, c.InFile = append(c.Holidays, more...), string(e.File), len(more)
		}
		out = append(out, c)
	}
	return out
}

// ReadFile returns the days of a file of holidays, at most 64 KiB.
func ReadFile(path string) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, filesys.Cause(err)
	}
	if !info.Mode().IsRegular() { // to open a pipe would wait for its other end
		return nil, errors.New("it is no regular file")
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, filesys.Cause(err)
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, filesys.Cause(err)
	}
	return readDays(content)
}

// readDays reads a list of days, one a line.
func readDays(content []byte) (out []string, err error) {
	if len(content) > maxFile {
		return nil, errors.New("the file is larger than 64 KiB")
	}
	lines := bufio.NewScanner(bytes.NewReader(content))
	lines.Buffer(nil, maxFile+1)
	for n := 1; lines.Scan(); n++ {
		day, _, _ := strings.Cut(lines.Text(), "#")
		if day = strings.TrimSpace(day); day == "" {
			continue
		}
		if _, err := schedule.ParseDate(day); err != nil { // what stands there is not repeated
			return nil, fmt.Errorf("line %d of the file: want a day like 2026-12-25, or 12-25 for every year", n)
		}
		out = append(out, day)
	}
	return out, lines.Err()
}

// find returns the calendar of a name, or one that has nothing but the name.
func find(known []mft.Calendar, name string) (mft.Calendar, bool) {
	i := slices.IndexFunc(known, func(c mft.Calendar) bool { return c.Name == name })
	if i < 0 {
		return mft.Calendar{Name: name, Workdays: defaultWorkdays}, false
	}
	return known[i], true
}

// DocumentOfCalendars returns what Calendars reads; nil of none. The days of a file are
// among the others.
func DocumentOfCalendars(list []mft.Calendar) map[string]map[string]any {
	if len(list) == 0 {
		return nil
	}
	out := map[string]map[string]any{}
	for _, c := range list {
		out[c.Name] = map[string]any{"workdays": c.Workdays}
		if len(c.Holidays) > 0 {
			out[c.Name]["holidays"] = c.Holidays
		}
	}
	return out
}

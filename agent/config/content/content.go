// Package content has the sections of a channel that say what moves: `select:`,
// `mirror:` and `guard:`.
//
//	select: {rules: ["+ */", "+ *.csv", "- *"], max_size: 1GiB, min_age: 1m}
//	mirror: {max_delete: "1000,50%"}
//	guard: {mount_point: true, check: [/usr/local/bin/is-good, /srv/out]}
//
// Its types are read by package strict, and written as they were read.
package content

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/config/leaf"
	"mft.dev/mft/agent/config/storage"
	"mft.dev/mft/agent/config/strict"
	"mft.dev/mft/trigger"
)

// Select is the section `select:`.
type Select struct {
	Include []leaf.Pattern `yaml:"include" doc:"Globs; a file must match one. Default: every file."`
	Exclude []leaf.Pattern `yaml:"exclude" doc:"Globs; a file must match none."`
	Rules   []Rule         `yaml:"rules" doc:"Rules in order, + PATTERN or - PATTERN, as rsync's filter rules have it; the first that matches decides. Instead of include and exclude."`
	MinSize storage.Bytes  `yaml:"min_size" doc:"Smallest file that moves, such as 1MiB."`
	MaxSize storage.Bytes  `yaml:"max_size" doc:"Largest file that moves."`
	MinAge  Age            `yaml:"min_age" doc:"How long ago a file must have been modified, 1s to 87600h."`
	MaxAge  Age            `yaml:"max_age" doc:"How long ago a file may have been modified, 1s to 87600h."`
	Latest  storage.Count  `yaml:"latest" doc:"How many of the files that the rest lets through move: those that were modified last, 1 to 1000000. Default: all."`
}

// Check implements strict.Whole.
func (e *Select) Check() error {
	if len(e.Rules) > 0 && len(e.Include)+len(e.Exclude) > 0 {
		return errors.New("rules take the place of include and exclude: write all as rules, or none")
	}
	if _, err := trigger.Chosen(e.Selection()); err != nil {
		return leaf.Cause(err)
	}
	return nil
}

// Selection returns what the section says.
func (e *Select) Selection() mft.Selection {
	s := mft.Selection{
		MinSize: int64(e.MinSize), MaxSize: int64(e.MaxSize), MinAge: time.Duration(e.MinAge), MaxAge: time.Duration(e.MaxAge), Latest: int(e.Latest),
	}
	for _, p := range e.Include {
		s.Include = append(s.Include, string(p))
	}
	for _, p := range e.Exclude {
		s.Exclude = append(s.Exclude, string(p))
	}
	for _, r := range e.Rules {
		s.Rules = append(s.Rules, string(r))
	}
	return s
}

// A Rule is one of package trigger/selection.
type Rule string

// ReadText implements strict.Leaf.
func (v *Rule) ReadText(s string) error {
	if _, err := trigger.Chosen(mft.Selection{Rules: []string{s}}); err != nil {
		return leaf.Cause(err)
	}
	*v = Rule(s)
	return nil
}

// Schema implements strict.Leaf.
func (*Rule) Schema() map[string]any { return leaf.Text(`^(\+|-|include|exclude)[ _]`) }

// An Age is how long ago something was.
type Age time.Duration

// ReadText implements strict.Leaf.
func (v *Age) ReadText(s string) error {
	d, err := within(s, time.Second, 87600*time.Hour)
	*v = Age(d)
	return err
}

// Schema implements strict.Leaf.
func (*Age) Schema() map[string]any { return leaf.Text(durations) }

const durations = `^([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+$`

func within(s string, least, most time.Duration) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if err != nil || d < least || d > most {
		return 0, fmt.Errorf("want a time from %s to %s, such as 90s or 48h", least, most)
	}
	return d, nil
}

// Mirror is the section `mirror:`.
type Mirror struct {
	strict.Place
	MaxDelete MaxDelete `yaml:"max_delete" doc:"How much a run may remove at most: files, as 100, a share of what is at the destination, as 10%, or both with a comma. Default: 1000,50%."`
}

// ReadShort accepts `mirror: true`.
func (*Mirror) ReadShort(s string) error {
	if s != "true" {
		return errors.New("want true, or max_delete: …")
	}
	return nil
}

// ShortSchema implements strict.Short.
func (*Mirror) ShortSchema() map[string]any { return map[string]any{"enum": []any{true}} }

// Mirror returns what the section says; without it nothing is mirrored.
func (e *Mirror) Mirror() mft.Mirror {
	switch {
	case e == nil:
		return mft.Mirror{}
	case mft.Mirror(e.MaxDelete).On:
		return mft.Mirror(e.MaxDelete)
	}
	return mft.DefaultMirror()
}

// MaxDelete is how much a mirror may remove.
type MaxDelete mft.Mirror

// ReadText implements strict.Leaf.
func (v *MaxDelete) ReadText(s string) error {
	m, err := leaf.ParseMaxDelete(s)
	*v = MaxDelete(m)
	return leaf.Cause(err)
}

// Schema implements strict.Leaf.
func (*MaxDelete) Schema() map[string]any {
	return map[string]any{"type": []string{"integer", "string"}, "pattern": `^[0-9]+%?( *, *[0-9]+%?)?$`}
}

// Guard is the section `guard:`.
type Guard struct {
	strict.Place
	MountPoint leaf.YesNo  `yaml:"mount_point" doc:"A file system has to be mounted at the source. Default: false."`
	NotEmpty   leaf.YesNo  `yaml:"not_empty" doc:"There has to be something in the source. Default: false; always so for a mirror."`
	Check      []leaf.Word `yaml:"check" doc:"Program and arguments, which has to end with status 0 before a run begins; no shell reads it."`
	Timeout    Patience    `yaml:"timeout" doc:"How long the program may take, 1s to 1h. Default: 1m."`
}

const defaultTimeout = time.Minute

// Guard returns what the section says.
func (e *Guard) Guard() mft.Guard {
	if e == nil {
		return mft.Guard{}
	}
	g := mft.Guard{MountPoint: bool(e.MountPoint), NotEmpty: bool(e.NotEmpty)}
	for _, arg := range e.Check {
		g.Check = append(g.Check, string(arg))
	}
	if len(g.Check) > 0 {
		if g.Timeout = time.Duration(e.Timeout); g.Timeout == 0 {
			g.Timeout = defaultTimeout
		}
	}
	return g
}

// Patience is how long a command may take.
type Patience time.Duration

// ReadText implements strict.Leaf.
func (v *Patience) ReadText(s string) error {
	d, err := within(s, time.Second, time.Hour)
	*v = Patience(d)
	return err
}

// Schema implements strict.Leaf.
func (*Patience) Schema() map[string]any { return leaf.Text(durations) }

// DocumentOf returns what the sections read of a channel, each by its keys; nil of
// nothing.
func DocumentOf(ch mft.Channel) (sel, mirror, guard map[string]any) {
	sel, guard = map[string]any{}, map[string]any{}
	put := func(to map[string]any, key string, value any, is bool) {
		if is {
			to[key] = value
		}
	}
	s, g := ch.Select, ch.Guard
	put(sel, "include", s.Include, len(s.Include) > 0)
	put(sel, "exclude", s.Exclude, len(s.Exclude) > 0)
	put(sel, "rules", s.Rules, len(s.Rules) > 0)
	put(sel, "min_size", storage.Bytes(s.MinSize).String(), s.MinSize > 0)
	put(sel, "max_size", storage.Bytes(s.MaxSize).String(), s.MaxSize > 0)
	put(sel, "min_age", s.MinAge.String(), s.MinAge > 0)
	put(sel, "max_age", s.MaxAge.String(), s.MaxAge > 0)
	put(sel, "latest", s.Latest, s.Latest > 0)
	put(guard, "mount_point", true, g.MountPoint)
	put(guard, "not_empty", true, g.NotEmpty)
	put(guard, "check", g.Check, len(g.Check) > 0)
	put(guard, "timeout", g.Timeout.String(), len(g.Check) > 0)
	if ch.Mirror.On {
		mirror = map[string]any{"max_delete": limits(ch.Mirror)}
	}
	return sel, mirror, guard
}

// limits writes what MaxDelete reads.
func limits(m mft.Mirror) string {
	var parts []string
	if m.MaxFiles >= 0 {
		parts = append(parts, fmt.Sprint(m.MaxFiles))
	}
	if m.MaxPercent >= 0 {
		parts = append(parts, fmt.Sprintf("%d%%", m.MaxPercent))
	}
	return strings.Join(parts, ",")
}

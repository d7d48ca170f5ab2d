package channel

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/conduct/orders"
	"mft.dev/mft/agent/localapi/channel"
	"mft.dev/mft/agent/localapi/route"
	"mft.dev/mft/cmd/mft/progress"
	"mft.dev/mft/cmd/mft/show"
)

const (
	stamp      = "2006-01-02 15:04:05"
	resolution = 10 * time.Millisecond
)

// at writes a moment with how long it is away.
func at(t, now time.Time) string {
	if t.After(now) {
		return fmt.Sprintf("%s (in %s)", t.Local().Format(stamp), show.Ago(t.Sub(now)))
	}
	return fmt.Sprintf("%s (%s ago)", t.Local().Format(stamp), show.Ago(now.Sub(t)))
}

func place(e channel.Endpoint) string {
	return cmp.Or(string(e.Group), string(e.Agent)) + " " + progress.Plain(e.Path)
}

func sentence(p *route.Problem) string { return progress.Sentence(p.Code, p.Detail) }

// page writes all about a channel.
func page(w io.Writer, c channel.Channel, now time.Time) {
	show.Table(w, func(w io.Writer) {
		line := func(name, format string, args ...any) { fmt.Fprintf(w, name+"\t"+format+"\n", args...) }
		line("channel", "%s", c.Name)
		line("from", "%s", place(c.From))
		for _, to := range c.To {
			line("to", "%s", place(to))
		}
		for _, t := range c.Triggers {
			text := strings.TrimSpace(string(t.Kind) + " " + t.Text)
			switch {
			case !t.Due.IsZero():
				text += ", next " + at(t.Due, now)
			case t.Kind == mft.TriggerSchedule:
				text += ", never again"
			}
			if t.Today != "" {
				text += "; today is " + t.Today
			}
			line("fires by", "%s", text)
		}
		for _, p := range c.Include {
			line("include", "%q", p)
		}
		for _, p := range c.Exclude {
			line("exclude", "%q", p)
		}
		if len(c.Rules) > 0 {
			line("select", "rules %q", c.Rules)
		}
		if c.Latest > 0 {
			line("select", "the latest %s of those", progress.Items(int64(c.Latest)))
		}
		if c.Batch > 0 {
			line("order", "by %s, %s at a time", c.Order, progress.Items(int64(c.Batch)))
		}
		if after := afterwards(c); after != "" {
			line("afterwards", "%s", after)
		}
		if c.Mirror {
			line("mirror", "each run removes at the destination what is not in the source")
		}
		if c.Limited || c.Limit > 0 {
			line("bandwidth", "%s", bandwidth(c, now))
		}
		line("existing files", "%s, compared by %s", c.Overwrite, c.Compare)
		if c.Preserve != 0 {
			line("preserved", "%s", strings.Join(c.Preserve.Names(), ", "))
		}
		for _, g := range c.Groups {
			line("group", "%s", members(g))
		}
		standing(line, c, now)
	})
	markers(w, c.Markers)
	moving(w, c.Underway)
}

// bandwidth says how fast a channel may send.
func bandwidth(c channel.Channel, now time.Time) string {
	text := "no limit"
	if c.Limit > 0 {
		text = progress.Bytes(c.Limit) + "/s"
	}
	if !c.LimitUntil.IsZero() {
		text += ", until " + at(c.LimitUntil, now)
	}
	return text
}

// afterwards says what becomes of a file at the source.
func afterwards(c channel.Channel) string {
	switch c.After {
	case mft.SourceDelete:
		return "a file is removed from the source when every destination has it"
	case mft.SourceArchive:
		return "a file is moved to " + progress.Plain(c.Archive) + " when every destination has it"
	}
	return ""
}

// standing writes what a channel waits for, and what it has done.
func standing(line func(name, format string, args ...any), c channel.Channel, now time.Time) {
	if c.Source != nil {
		line("problem", "%s", sentence(c.Source))
	}
	if c.Settling > 0 {
		line("not stable", "%s", progress.Items(int64(c.Settling)))
	}
	if o := c.Paused; o != nil {
		line("paused", "by %s, %s", progress.Plain(o.By), at(o.At, now))
	}
	if o := c.Disabled; o != nil {
		line("disabled", "by %s, %s", progress.Plain(o.By), at(o.At, now))
	}
	line("phase", "%s", c.Phase)
	waits := c.Waits
	if waits != "" && !c.Since.IsZero() {
		waits += ", since " + at(c.Since, now)
	}
	line("waits", "%s", show.OrDash(waits))
	if len(c.Owed) > 0 {
		line("owes a run", "because of %v", c.Owed)
	}
	if c.Problem != nil {
		line("problem", "%s", sentence(c.Problem))
	}
	if c.Run != nil {
		held := ""
		if c.Held {
			held = "; held"
		}
		line("run", "%s, %s so far; because of %s; began %s%s", c.Run.ID, delivered(*c.Run), strings.Join(c.Run.Causes, ", "), at(c.Run.Began, now), held)
	}
	if c.Last == nil {
		line("last run", "none yet")
	} else {
		line("last run", "%s: %s, %s; because of %s; ended %s", c.Last.ID, outcome(*c.Last), delivered(*c.Last), strings.Join(c.Last.Causes, ", "), at(c.Last.Ended, now))
	}
	if c.Failures > 0 {
		text := fmt.Sprintf("%d since the last run that succeeded", c.Failures)
		if c.Retry.After(now) {
			text += ", repeated " + at(c.Retry, now)
		}
		line("failures", "%s", text)
	}
	for _, e := range c.Expects {
		line("expects", "%s", expected(e, now))
	}
}

func outcome(r channel.Run) string {
	if r.Code != "" && !r.Code.OK() {
		return fmt.Sprintf("%s, %s", r.Outcome, progress.Sentence(r.Code, string(r.Detail)))
	}
	return r.Outcome
}

func markers(w io.Writer, list []channel.Marker) {
	if len(list) == 0 {
		return
	}
	fmt.Fprintln(w)
	show.Table(w, func(w io.Writer) {
		fmt.Fprintln(w, "MARKER\tEND\tIS\tPATH")
		for _, m := range list {
			is := "unknown"
			switch {
			case m.Problem != nil:
				is += ": " + sentence(m.Problem)
			case m.There != nil && *m.There:
				is = "there"
			case m.There != nil:
				is = "not there"
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", m.Kind, m.End, is, progress.Plain(m.Path))
		}
	})
}

func moving(w io.Writer, list []channel.Moving) {
	if len(list) == 0 {
		return
	}
	fmt.Fprintln(w)
	show.Table(w, func(w io.Writer) {
		fmt.Fprintln(w, "TRANSFER\tTO\tSTATE\tFILES\tMOVED")
		for _, m := range list {
			state := string(m.State)
			if m.Reason != nil && m.State == mft.StateWaiting {
				state += ": " + sentence(m.Reason)
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%s\n", m.ID, m.Peer, state, m.Files, progress.Bytes(m.Moved))
		}
	})
}

// history writes a table of runs.
func history(w io.Writer, list []channel.Run, now time.Time) {
	if len(list) == 0 {
		fmt.Fprintln(w, "no runs")
		return
	}
	show.Table(w, func(w io.Writer) {
		fmt.Fprintln(w, "RUN\tBEGAN\tTOOK\tCAUSES\tFILES\tBYTES\tOUTCOME")
		for _, r := range list {
			took, how := now.Sub(r.Began).Round(time.Second), "under way"
			if !r.Ended.IsZero() {
				took, how = r.Ended.Sub(r.Began).Round(resolution), outcome(r)
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%s\t%s\n", r.ID, r.Began.Local().Format(stamp), took,
				strings.Join(r.Causes, ","), r.Files, progress.Bytes(r.Bytes), how)
		}
	})
}

// ordered says what an order has done.
func ordered(w io.Writer, v orders.Verb, c channel.Channel) {
	underway := ""
	if c.Run != nil {
		underway = c.Run.ID
	}
	switch {
	case v == orders.Pause && underway != "":
		fmt.Fprintf(w, "%s is paused; run %s, which is under way, is held\n", c.Name, underway)
	case v == orders.Pause:
		fmt.Fprintf(w, "%s is paused; no run is under way\n", c.Name)
	case v == orders.Resume && c.Disabled != nil:
		fmt.Fprintf(w, "%s is not paused any more, but disabled\n", c.Name)
	case v == orders.Resume && underway != "":
		fmt.Fprintf(w, "%s is resumed; run %s goes on\n", c.Name, underway)
	case v == orders.Resume:
		fmt.Fprintf(w, "%s is resumed\n", c.Name)
	case v == orders.Disable && underway != "":
		fmt.Fprintf(w, "%s is disabled; run %s, which is under way, goes on to its end\n", c.Name, underway)
	case v == orders.Disable:
		fmt.Fprintf(w, "%s is disabled\n", c.Name)
	case c.Paused != nil:
		fmt.Fprintf(w, "%s is enabled, but paused\n", c.Name)
	default:
		fmt.Fprintf(w, "%s is enabled\n", c.Name)
	}
}

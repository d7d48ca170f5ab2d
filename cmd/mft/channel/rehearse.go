package channel

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"

	"mft.dev/mft"
	"mft.dev/mft/agent/localapi/channel"
	"mft.dev/mft/agent/localapi/route"
	"mft.dev/mft/agent/rehearsal"
	"mft.dev/mft/cmd/mft/progress"
	"mft.dev/mft/cmd/mft/show"
)

// rehearse says what a run would do. The error is the first reason why it would not do
// that.
func (s Shell) rehearse(ctx context.Context, name string, most int) error {
	list, err := ask(s, func(c channel.Client) ([]channel.Rehearsal, error) { return c.Rehearse(ctx, name, most) })
	if err != nil {
		return err
	}
	if err := s.Print(list, func() { rehearsed(s.Out, list) }); err != nil {
		return err
	}
	for _, r := range list {
		if p := cmp.Or(r.Problem, r.Refused); p != nil {
			return mft.Fail(p.Code, "rehearse a run to", string(r.Agent)+":"+r.Path, errors.New(p.Detail))
		}
	}
	return nil
}

// rehearsed writes what a run would do at each destination.
func rehearsed(w io.Writer, list []channel.Rehearsal) {
	for i, r := range list {
		if i > 0 {
			fmt.Fprintln(w)
		}
		fmt.Fprintf(w, "a run to %s:%s would\n", r.Agent, progress.Plain(r.Path))
		if len(r.Findings) == 0 && r.Problem == nil {
			fmt.Fprintln(w, "  find nothing to send")
		}
		for _, f := range r.Findings {
			fmt.Fprintf(w, "  %s: %s, %s\n", would(f.Verdict), progress.Items(f.Items), progress.Bytes(f.Bytes))
			if f.Verdict != rehearsal.Same {
				named(w, f)
			}
		}
		refused(w, "remove nothing after all, and fail", r.Refused)
		refused(w, "not be seen to its end", r.Problem)
	}
}

func refused(w io.Writer, what string, p *route.Problem) {
	if p != nil {
		fmt.Fprintf(w, "  %s: %s\n", what, sentence(p))
	}
}

// named writes the first of what has a verdict.
func named(w io.Writer, f channel.Finding) {
	show.Table(w, func(w io.Writer) {
		for _, one := range f.First {
			name := progress.Plain(string(one.Path))
			if one.Dir {
				name += "/"
			}
			note := progress.Bytes(one.Bytes)
			switch {
			case one.Problem != nil:
				note = sentence(one.Problem)
			case one.Dir && one.Items > 1:
				note = progress.Items(one.Items) + ", " + note
			case one.Dir:
				note = ""
			}
			fmt.Fprintf(w, "    %s\t%s\n", name, note)
		}
	})
	more := f.Items
	for _, one := range f.First {
		more -= one.Items
	}
	if more > 0 {
		fmt.Fprintf(w, "    and %d more\n", more)
	}
}

// would says what a run would do with what has a verdict.
func would(v rehearsal.Verdict) string {
	switch v {
	case rehearsal.New:
		return "send what is new"
	case rehearsal.Changed:
		return "send what has changed"
	case rehearsal.Removed:
		return "remove there"
	case rehearsal.Blocked:
		return "fail to put in the place of something else"
	case rehearsal.Unread:
		return "fail to read"
	case rehearsal.Unseen:
		return "remove there some of what is too much to look through, in"
	case rehearsal.Unsure:
		return "send what differs in content of"
	case rehearsal.Kept:
		return "leave what is there, as the channel overwrites nothing, of"
	}
	return "leave what is the same, by size and time"
}

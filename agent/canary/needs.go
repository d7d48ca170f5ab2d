package canary

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"mft.dev/mft"
	"mft.dev/mft/agent/conduct"
	"mft.dev/mft/agent/source"
)

// try tries what a channel needs of this host, and its markers, and calls tell with each;
// nothing fires and no marker changes.
func (t *Tester) try(ctx context.Context, n conduct.Needs, tell func(Step) error) error {
	step := func(what, path string, do func() error) error {
		began := t.c.Now()
		s := Step{What: what, Path: path, Outcome: OK, Err: do()}
		s.Took = t.c.Now().Sub(began)
		switch {
		case s.Err != nil && mft.CodeOf(s.Err) == mft.CodeVersion:
			s.Outcome = NotTried
		case s.Err != nil:
			s.Outcome = Failed
		}
		return tell(s)
	}
	if err := step("source", n.Root, func() error { return t.list(ctx, n) }); err != nil {
		return err
	}
	if g := n.Channel.Guard; g.MountPoint || g.NotEmpty || len(g.Check) > 0 || n.Channel.Mirror.On {
		if err := step("guard", n.Root, func() error { return n.Guard(ctx) }); err != nil {
			return err
		}
	}
	for _, m := range n.Markers {
		what := string(m.Kind) + " marker"
		end, of, far := strings.Cut(string(m.End), " ")
		if far {
			what += " at the " + end + " " + of
		}
		if group := t.passive(ctx, n.Channel, mft.AgentName(of)); group != "" {
			why := fmt.Errorf("%s is not the active member of %s", of, group)
			if err := tell(Step{What: what, Path: m.Path, Outcome: NotTried, Err: why}); err != nil {
				return err
			}
			continue
		}
		if err := step(what, m.Path, func() error { return n.Try(ctx, m) }); err != nil {
			return err
		}
	}
	return nil
}

// passive returns the group by which a channel leads to an agent that is not the active
// member of it, empty if the channel leads there anyway.
func (t *Tester) passive(ctx context.Context, ch mft.Channel, agent mft.AgentName) (group mft.AgentName) {
	for _, to := range ch.To {
		g, is := t.c.Channels.Groups().Find(to.Group)
		active, err := mft.AgentName(""), error(nil)
		if is {
			active, err = t.c.Channels.Groups().Active(ctx, to.Group)
		}
		switch {
		case to.Agent == agent, is && err == nil && active == agent:
			return ""
		case is && slices.Contains(g.Members, agent):
			group = to.Group
		}
	}
	return group
}

// list lists the source as both who look at it.
func (t *Tester) list(ctx context.Context, n conduct.Needs) error {
	if err := unlisted("the user of the agent, which looks for what is new", n.Root, source.List(n.Root)); err != nil {
		return err
	}
	return unlisted("the user that reads it", n.Root, t.c.List(ctx, n.Channel.Name, n.Root))
}

// unlisted says who could not list a directory, nil for nobody.
func unlisted(who, root string, err error) error {
	if err == nil {
		return nil
	}
	r := mft.ReasonOf(err)
	return mft.Fail(r.Code, "list the source", root, fmt.Errorf("%s cannot list it: %s", who, r.Detail))
}

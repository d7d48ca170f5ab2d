package channel

import (
	"fmt"
	"strings"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/localapi/channel"
	"mft.dev/mft/cmd/mft/progress"
)

// expected says what is expected, and whether it is met.
func expected(e channel.Expected, now time.Time) string {
	state := "met"
	if e.Code != "" {
		state = fmt.Sprintf("NOT met [%s]", e.Code)
	}
	switch e.Kind {
	case "due_by":
		if !e.Overdue.IsZero() {
			state += ", due was " + at(e.Overdue, now)
		}
		return fmt.Sprintf("content by %s, missing %v after: %s; next due %s",
			strings.TrimSpace(e.Schedule+" "+e.Zone), time.Duration(e.Grace), state, at(e.Due, now))
	case "silence":
		if !e.Data.IsZero() {
			state += "; counted from " + at(e.Data, now)
		}
		return fmt.Sprintf("content at least every %v: %s", time.Duration(e.Every), state)
	}
	show := func(n int64) string { return fmt.Sprintf("%d files", n) }
	if e.Kind == "size" {
		show = progress.Bytes
	}
	text := show(e.Min) + " to " + show(e.Max)
	if e.Max == 0 {
		text = "at least " + show(e.Min)
	}
	if e.Last == nil {
		return text + " in a run that moves any: none has yet"
	}
	return fmt.Sprintf("%s in a run that moves any: %s, the last moved %s", text, state, show(*e.Last))
}

// members says who is in a group, and who is active.
func members(g channel.Group) string {
	var list []string
	for _, m := range g.Members {
		name := string(m)
		if m == g.Active {
			name += " (active)"
		}
		list = append(list, name)
	}
	text := string(g.Name) + ": " + strings.Join(list, ", ")
	switch {
	case g.Problem != nil:
		text += "; " + sentence(g.Problem)
	case g.Chosen != mft.AgentName(""):
		text += "; chosen by an operator"
	}
	return text
}

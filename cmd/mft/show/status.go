package show

import (
	"fmt"
	"io"
	"strings"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/localapi"
	"mft.dev/mft/agent/telemetry"
	"mft.dev/mft/cmd/mft/progress"
	relay "mft.dev/mft/exchange/relay/server"
	"mft.dev/mft/internal/restrict"
)

// Status writes a page about an agent as it is at now.
func Status(w io.Writer, a localapi.Status, now time.Time) {
	page(w, func(line func(name, format string, args ...any)) {
		line("agent", "%s", a.Name)
		line("version", "%s", a.Version)
		line("up", "%s", Ago(now.Sub(a.Started)))
		line("listens on", "%s", OrDash(a.Listen))
		line("peers dial", "%s", OrDash(a.Address))
		line("data", "%s", progress.Plain(a.DataDir))
		if a.Resident > 0 {
			line("memory", "%s", progress.Bytes(a.Resident))
		}
	})
	statusTransfers(w, a)
	if len(a.Peers) == 0 {
		fmt.Fprint(w, "\npeers: none\n")
	}
	section(w, "peers", a.Peers, statusPeer)
	section(w, "channels", a.Channels, func(w io.Writer, c localapi.ChannelStatus) { statusChannel(w, c, now) })
	section(w, "telemetry", a.Telemetry, func(w io.Writer, t telemetry.Status) { statusTelemetry(w, t, now) })
	section(w, "processes", a.Processes, statusWalls)
	section(w, "kept for others, as their relay", a.Relay, func(w io.Writer, h relay.Held) { statusHeld(w, h, now) })
	for i, note := range a.Notes {
		if i == 0 {
			fmt.Fprintln(w)
		}
		fmt.Fprintf(w, "note: %s\n", progress.OneLine(note))
	}
}

// statusWalls writes a row about the walls around a process.
func statusWalls(w io.Writer, r restrict.Report) {
	var up, missing []string
	for _, f := range r.Walls {
		switch {
		case f.Up:
			up = append(up, string(f.Wall))
		case !f.Open:
			missing = append(missing, fmt.Sprintf("%s (%s)", f.Wall, f.Why))
		}
	}
	state := "runs"
	switch {
	case r.Role == restrict.RoleExit:
		state = "each command"
	case r.Role == restrict.RoleWorker:
		state = "each channel"
	case r.PID == 0:
		state = "does not run"
	}
	who := fmt.Sprintf("uid %d", r.UID)
	if r.PID == 0 {
		who = "its own user"
	}
	fmt.Fprintf(w, "%s\t%s\t%s\twalls: %s", r.Role, state, who, OrDash(strings.Join(up, " ")))
	if len(missing) > 0 {
		fmt.Fprintf(w, "; missing: %s", progress.OneLine(strings.Join(missing, ", ")))
	}
}

func statusTransfers(w io.Writer, a localapi.Status) {
	var counts []string
	for _, state := range mft.States() {
		if n := a.Counts[state]; n > 0 {
			counts = append(counts, fmt.Sprintf("%d %s", n, state))
		}
	}
	if len(counts) == 0 {
		counts = []string{"none"}
	}
	fmt.Fprintf(w, "\ntransfers: %s\n", strings.Join(counts, ", "))
	for _, row := range a.Waiting {
		why := "no reason given"
		if row.Reason != nil {
			why = sentence(row.Reason)
		}
		fmt.Fprintf(w, "  %s %s waits: %s\n", row.ID, route(row), why)
	}
}

// section writes a table with a row for each of the list, or nothing when there
// are none.
func section[T any](w io.Writer, title string, list []T, row func(w io.Writer, one T)) {
	if len(list) == 0 {
		return
	}
	fmt.Fprintf(w, "\n%s:\n", title)
	Table(w, func(w io.Writer) {
		for _, one := range list {
			fmt.Fprint(w, "  ")
			row(w, one)
			fmt.Fprintln(w)
		}
	})
}

func statusPeer(w io.Writer, p localapi.Peer) {
	fmt.Fprintf(w, "%s\t%s\t%s", p.Name, p.Link, OrDash(p.Address))
	if p.LinkReason != nil {
		fmt.Fprintf(w, "\t%s", sentence(p.LinkReason))
	}
}

func statusTelemetry(w io.Writer, t telemetry.Status, now time.Time) {
	fmt.Fprintf(w, "%s\t%s\t", t.Name, progress.Plain(t.Endpoint))
	switch {
	case t.Code != "":
		fmt.Fprintf(w, "nothing has arrived for %s", Ago(now.Sub(t.Since)))
	case t.Last.IsZero():
		fmt.Fprint(w, "nothing sent since the start")
	default:
		fmt.Fprintf(w, "last sent %s ago", Ago(now.Sub(t.Last)))
	}
	switch {
	case t.Sums:
		fmt.Fprint(w, "\tsums")
	case t.Waiting == 1:
		fmt.Fprint(w, "\t1 event waits")
	default:
		fmt.Fprintf(w, "\t%d events wait", t.Waiting)
	}
	if t.Dropped > 0 {
		fmt.Fprintf(w, ", %d dropped: %s", t.Dropped, progress.OneLine(OrDash(t.Dropping)))
	}
	if t.Code != "" {
		fmt.Fprintf(w, "\t%s", progress.Sentence(t.Code, t.Detail))
	}
}

func statusChannel(w io.Writer, c localapi.ChannelStatus, now time.Time) {
	last := "not scanned yet"
	if !c.LastScan.IsZero() {
		last = "scanned " + Ago(now.Sub(c.LastScan)) + " ago"
	}
	fmt.Fprintf(w, "%s\t%s\t%s\t%s", c.Name, progress.Plain(c.From), c.Watching, last)
	if c.Settling > 0 {
		fmt.Fprintf(w, "\t%d not stable yet", c.Settling)
	}
	if c.Problem != nil {
		fmt.Fprintf(w, "\t%s", sentence(c.Problem))
	}
}

// statusHeld shows what this agent keeps for another.
func statusHeld(w io.Writer, h relay.Held, now time.Time) {
	seen := "has not asked since the start"
	if !h.Seen.IsZero() {
		seen = "asked " + Ago(now.Sub(h.Seen)) + " ago"
	}
	fmt.Fprintf(w, "%s\t%s\t%s wait for it\t%s of it\t%s of %s", h.Agent, seen,
		number(h.Letters, "letter"), number(h.Objects, "object"), progress.Bytes(h.Bytes), progress.Bytes(h.Quota.Bytes))
}

func number(n int64, of string) string {
	if n != 1 {
		of += "s"
	}
	return fmt.Sprintf("%d %s", n, of)
}

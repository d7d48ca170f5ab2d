package show

import (
	"fmt"
	"io"
	"strings"

	"mft.dev/mft"
	"mft.dev/mft/agent/localapi"
	"mft.dev/mft/cmd/mft/progress"
)

// Transfers writes a table.
func Transfers(w io.Writer, rows []localapi.Transfer) {
	if len(rows) == 0 {
		fmt.Fprintln(w, "no transfers")
		return
	}
	Table(w, func(w io.Writer) {
		fmt.Fprintln(w, "ID\tSTATE\tROUTE\tMOVED\tCREATED\tWHAT")
		for _, row := range rows {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", row.ID, state(row), route(row), moved(row), row.Created.Local().Format(stamp), what(row))
		}
	})
}

func state(row localapi.Transfer) string {
	if row.Reason != nil && !row.Reason.Code.OK() {
		return fmt.Sprintf("%s (%s)", row.State, row.Reason.Code)
	}
	return string(row.State)
}

func route(row localapi.Transfer) string {
	if row.Role == mft.RoleSend {
		return "to " + string(row.Peer)
	}
	return "from " + string(row.Peer)
}

func moved(row localapi.Transfer) string {
	if row.State == mft.StateDone || row.Totals.Bytes == row.Moved.Bytes {
		return progress.Bytes(row.Moved.Bytes)
	}
	return progress.Bytes(row.Moved.Bytes) + " of " + progress.Bytes(row.Totals.Bytes)
}

// what names the first source, or else where the files go.
func what(row localapi.Transfer) string {
	text := progress.Plain(string(row.Destination))
	if len(row.Sources) > 0 {
		text = progress.Plain(row.Sources[0])
	}
	if more := len(row.Sources) - 1; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// sourcesShown is how many sources a page about a transfer lists.
const sourcesShown = 20

// Transfer writes a page about one transfer and what happened to it.
func Transfer(w io.Writer, detail localapi.TransferDetail) {
	row := detail.Transfer
	page(w, func(line func(name, format string, args ...any)) {
		line("transfer", "%s", row.ID)
		line("state", "%s", row.State)
		reason(line, row.Reason)
		line("route", "%s", route(row))
		if row.Channel != "" {
			line("channel", "%s", row.Channel)
		}
		for i, source := range row.Sources {
			if i == sourcesShown {
				line("source", "and %d more", len(row.Sources)-i)
				break
			}
			line("source", "%s", progress.Plain(source))
		}
		line("destination", "%s", progress.Plain(string(row.Destination)))
		line("overwrite", "%s", row.Overwrite)
		if row.Compare != "" {
			line("compare", "%s", row.Compare)
		}
		if row.Compress != "" {
			line("compress", "%s", row.Compress)
		}
		if row.Preserve != 0 {
			line("preserve", "%s", strings.Join(row.Preserve.Names(), ", "))
		}
		if row.Mirror != nil {
			line("mirror", "%s", limits(*row.Mirror))
		}
		line("moved", "%s of %s, %s of %s", progress.Bytes(row.Moved.Bytes), progress.Bytes(row.Totals.Bytes),
			fmt.Sprint(row.Moved.Items), progress.Items(row.Totals.Items))
		if n := row.Unchanged; n.Items > 0 {
			line("unchanged", "%s, %s", progress.Bytes(n.Bytes), progress.Items(n.Items))
		}
		if row.Removed > 0 {
			line("removed", "%s", progress.Items(row.Removed))
		}
		if detail.Rate > 0 {
			line("rate", "%s/s", progress.Bytes(int64(detail.Rate)))
		}
		line("attempts", "%d", row.Attempts)
	})
	fmt.Fprintln(w)
	Table(w, func(w io.Writer) {
		for _, e := range detail.Events {
			first, output, _ := strings.Cut(e.Detail, "\n")
			if isExit(e) {
				e.Detail = first
			}
			fmt.Fprintf(w, "%s\t%s%s\n", e.Time.Local().Format(fineStamp), e.Kind, event(e))
			if isExit(e) && output != "" {
				quote(w, output)
			}
		}
	})
	exits(w, detail.Exits)
}

// isExit reports whether an event is that of a command, which may have its
// output below its first line.
func isExit(e localapi.Event) bool {
	return e.Kind == mft.EventExitBegun || e.Kind == mft.EventExitEnded
}

// quote writes what a command wrote below a line of a table, line by line.
func quote(w io.Writer, output string) {
	for line := range strings.SplitSeq(strings.TrimRight(output, "\n"), "\n") {
		fmt.Fprintf(w, "\t  | %s\n", progress.OneLine(line))
	}
}

// exits writes a table of the commands that ran because of a transfer.
func exits(w io.Writer, list []localapi.Exit) {
	if len(list) == 0 {
		return
	}
	fmt.Fprintln(w)
	Table(w, func(w io.Writer) {
		fmt.Fprintln(w, "EXIT\tRESULT\tRUNS\tCOMMAND")
		for _, e := range list {
			fmt.Fprintf(w, "%s\t%s\t%d\t%s\n", e.Phase, result(e), e.Runs, progress.OneLine(e.Command))
		}
	})
}

// result says how far a command is.
func result(e localapi.Exit) string {
	text := progress.OneLine(e.Detail)
	switch e.State {
	case "running":
		return "runs"
	case "again":
		return text + ", is run again"
	}
	if !e.Code.OK() {
		text += " [" + string(e.Code) + "]"
	}
	return text
}

// limits says how much a mirror may remove.
func limits(m localapi.Mirror) string {
	switch {
	case m.MaxFiles < 0 && m.MaxPercent < 0:
		return "removes without limit"
	case m.MaxPercent < 0:
		return fmt.Sprintf("removes at most %d files", m.MaxFiles)
	case m.MaxFiles < 0:
		return fmt.Sprintf("removes at most %d%%", m.MaxPercent)
	}
	return fmt.Sprintf("removes at most %d files and %d%%", m.MaxFiles, m.MaxPercent)
}

// reason writes why something is as it is, and what to do.
func reason(line func(name, format string, args ...any), p *localapi.Problem) {
	if p == nil {
		return
	}
	line("reason", "%s", sentence(p))
	if p.Remedy != "" {
		line("remedy", "%s", p.Remedy)
	}
}

// event is what an event says besides its kind, as further columns.
func event(e localapi.Event) string {
	text := ""
	if e.Detail != "" {
		text = "\t" + progress.OneLine(e.Detail)
	}
	if tag := "[" + string(e.Code) + "]"; !e.Code.OK() && !strings.HasSuffix(e.Detail, tag) {
		if text == "" {
			return "\t" + tag
		}
		text += " " + tag
	}
	return text
}

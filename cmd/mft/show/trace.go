package show

import (
	"fmt"
	"io"
	"strings"

	"mft.dev/mft"
	"mft.dev/mft/agent/trace"
	"mft.dev/mft/cmd/mft/progress"
)

// Trace writes where a file is.
func Trace(w io.Writer, r trace.Report) {
	if len(r.Hops) == 0 {
		fmt.Fprintf(w, "this host knows of no transfer of %s\n", progress.Plain(string(r.What)))
	}
	for i, h := range r.Hops {
		if i > 0 {
			fmt.Fprintln(w)
		}
		hop(w, h)
	}
	for _, note := range r.Notes {
		fmt.Fprintf(w, "note: %s\n", note)
	}
}

func hop(w io.Writer, h trace.Hop) {
	page(w, func(line func(name, format string, args ...any)) {
		way, file := "to", "sent"
		if h.Role == mft.RoleReceive {
			way, file = "from", "received"
		}
		line("transfer", "%s %s %s: %s", h.Transfer, way, h.Peer, h.State)
		if h.Code != "" && !h.Code.OK() {
			line("because", "%s", progress.Sentence(h.Code, string(h.Detail)))
		}
		if h.Channel != "" {
			line("channel", "%s", h.Channel)
		}
		if h.Run != "" {
			line("run", "%s", h.Run)
		}
		if h.File != "" {
			line(file, "%s", progress.Plain(string(h.File)))
		}
		if h.There != "" {
			line("final name", "%s at %s", progress.Plain(string(h.There)), h.Peer)
		}
		line("known by", "%s", progress.OneLine(h.Proof))
		line("receipt", "%s", receipt(h))
		line("ask", "%s on the host of %s", elsewhere(h), h.Peer)
		for _, x := range h.Exits {
			line("command", "%s: %s, %s", x.Phase, progress.OneLine(x.Command), exited(x))
		}
	})
	Table(w, func(w io.Writer) {
		for _, s := range h.Steps {
			text := progress.OneLine(string(s.Detail))
			if s.Code != "" && !s.Code.OK() {
				text = progress.Sentence(s.Code, string(s.Detail))
			}
			fmt.Fprintf(w, "  %s\t%s\t%s\n", s.Time.Local().Format(fineStamp), s.Kind, text)
		}
	})
}

// elsewhere is the command that tells at the other end what is known there.
func elsewhere(h trace.Hop) string {
	if h.There != "" && progress.Plain(string(h.There)) == string(h.There) && !strings.ContainsAny(string(h.There), " '\"$`\\*?[#&|;<>()~") {
		return "mft trace " + string(h.There)
	}
	return "mft trace " + h.Transfer.String()
}

// receipt says what was signed for, and by whom.
func receipt(h trace.Hop) string {
	r := h.Receipt
	if r == nil {
		return "none yet: nothing proves a delivery"
	}
	text := fmt.Sprintf("%s, %s", progress.Items(r.Items), progress.Bytes(r.Bytes))
	if r.Unchanged > 0 {
		text += fmt.Sprintf(", %d were there before", r.Unchanged)
	}
	if r.Failed > 0 {
		text += fmt.Sprintf(", %d NOT delivered (mft transfer show %s names them)", r.Failed, h.Transfer)
	}
	switch {
	case h.Role == mft.RoleReceive:
		text += "; signed by this agent"
	case r.Verified:
		text += fmt.Sprintf("; signed by %s at %s, and the signature fits", r.Signer, r.Signed.Local().Format(fineStamp))
	default:
		text += "; the signature is NOT verified: " + progress.OneLine(r.Problem)
	}
	return text
}

func exited(x trace.Exit) string {
	if !x.Ended {
		return "not over"
	}
	return progress.OneLine(x.Detail)
}

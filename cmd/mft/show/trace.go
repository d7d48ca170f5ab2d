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
		hop(w, h, true)
		for _, other := range h.Beyond {
			title := string(other.By) + " says:"
			if other.By != h.Peer {
				title = fmt.Sprintf("%s says, by the word of %s:", other.By, h.Peer)
			}
			var text strings.Builder
			hop(&text, other, false)
			fmt.Fprintf(w, "\n  %s\n%s", title, indented(text.String()))
		}
	}
	for _, note := range r.Notes {
		fmt.Fprintf(w, "note: %s\n", note)
	}
}

// indented puts every line four columns to the right.
func indented(text string) string {
	return "    " + strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", "\n    ") + "\n"
}

// hop writes one hop of this host, or what another says of one.
func hop(w io.Writer, h trace.Hop, own bool) {
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
		line("receipt", "%s", receipt(h, own))
		if own && len(h.Beyond) == 0 {
			line("ask", "%s on the host of %s", elsewhere(h), h.Peer)
		}
		if h.Problem != nil {
			line("not asked", "%s", progress.OneLine(h.Problem.Message))
		}
		for _, x := range h.Exits {
			what := ""
			if x.Command != "" {
				what = " " + progress.OneLine(x.Command) + ","
			}
			line("command", "%s:%s %s", x.Phase, what, exited(x))
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
func receipt(h trace.Hop, own bool) string {
	r := h.Receipt
	if r == nil {
		return "none yet: nothing proves a delivery"
	}
	text := fmt.Sprintf("%s, %s", progress.Items(r.Items), progress.Bytes(r.Bytes))
	if r.Unchanged > 0 {
		text += fmt.Sprintf(", %d were there before", r.Unchanged)
	}
	if r.Failed > 0 {
		text += fmt.Sprintf(", %d NOT delivered (mft transfer show %s on the host of %s names them)", r.Failed, h.Transfer, h.By)
	}
	switch {
	case h.Role == mft.RoleReceive && own:
		text += "; signed by this agent"
	case h.Role == mft.RoleReceive:
		text += "; signed by " + string(h.By)
	case r.Verified:
		text += fmt.Sprintf("; signed by %s at %s, and the signature fits", r.Signer, r.Signed.Local().Format(fineStamp))
	case r.Problem == "":
		text += fmt.Sprintf("; %s could NOT verify the signature", h.By)
	default:
		text += "; the signature is NOT verified: " + progress.OneLine(r.Problem)
	}
	return text
}

func exited(x trace.Exit) string {
	if !x.Ended {
		return "not over"
	}
	if x.Detail == "" {
		return fmt.Sprintf("ended with status %d", x.Status)
	}
	return progress.OneLine(x.Detail)
}

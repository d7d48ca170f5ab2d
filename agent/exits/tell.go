package exits

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"mft.dev/mft"
	"mft.dev/mft/agent/exits/rule"
	"mft.dev/mft/journal"
)

// A transfer may have millions of files: only of the first commands, and of
// the first that fail, everything is kept.
const (
	wholeOutputs = 100                 // commands that keep all the output that there is
	someOutputs  = journal.MaxExitRuns // that keep some of it, and have events
	someFailures = 100                 // failures beyond those that do
	// someOutput bounds the output in an event, in bytes.
	someOutput = 1 << 10
	// maxLine bounds a command in messages, in bytes.
	maxLine = 400
)

// tells reports whether the command that is looked at has events.
func (p *pass) tells(failed bool) bool {
	return p.n <= someOutputs || failed && p.bad <= someFailures
}

// keeps returns how much output of the command is kept, in bytes.
func (p *pass) keeps() int {
	switch {
	case p.n <= wholeOutputs:
		return 1 << 20
	case p.tells(p.bad > 0):
		return someOutput
	}
	return 0
}

func (r *Runner) event(run *rule.Run, kind mft.EventKind, code mft.Code, detail string) mft.Event {
	f := &run.Facts
	return mft.Event{
		Time: r.c.Now(), Kind: kind, Transfer: f.Transfer, Channel: f.Channel, Peer: f.Peer,
		Code: code, Detail: string(f.Phase) + " " + detail,
	}
}

// withOutput adds the end of what a command wrote to a sentence.
func withOutput(detail string, output []byte) string {
	text := strings.TrimSpace(string(clip(output, someOutput)))
	if text == "" {
		return detail
	}
	return detail + "\n" + text
}

// clip returns the end of output, at most n bytes and a line that says what is
// not there.
func clip(output []byte, n int) []byte {
	if len(output) <= n {
		return output
	}
	if n == 0 {
		return nil
	}
	return fmt.Appendf(nil, "[… %d bytes were cut …]\n%s", len(output)-n, output[len(output)-n:])
}

// reason is what an error says besides what a line about a command says
// anyway.
func reason(err error) string {
	var e *mft.Error
	if errors.As(err, &e) && e.Err != nil {
		return e.Err.Error()
	}
	return err.Error()
}

// line is a command for people.
func line(args []string) string {
	var b strings.Builder
	for i, a := range args {
		if i > 0 {
			b.WriteByte(' ')
		}
		if i == 0 || plain(a) {
			b.WriteString(a)
		} else {
			b.WriteString(strconv.Quote(a))
		}
		if b.Len() > maxLine {
			return strings.ToValidUTF8(b.String()[:maxLine], "") + "…"
		}
	}
	return b.String()
}

// plain reports whether an argument needs no quotes to be told from its
// neighbours.
func plain(a string) bool {
	for i := range len(a) {
		if a[i] <= ' ' || a[i] >= 0x7f || strings.IndexByte("\"'`\\$&|;<>()*?[]#~", a[i]) >= 0 {
			return false
		}
	}
	return a != ""
}

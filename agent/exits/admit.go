package exits

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strconv"
	"strings"

	"mft.dev/mft"
	"mft.dev/mft/agent/exits/process"
	"mft.dev/mft/agent/exits/rule"
	"mft.dev/mft/journal"
)

const (
	// refusal is the exit status by which a command of phase pre refuses.
	refusal = 1
	// maxReason bounds what of its output the sender is told, in bytes.
	maxReason = 500
	// maxLine bounds a command in messages, in bytes.
	maxLine = 400
)

// Admit runs the commands of phase pre for an offer that everything else has
// admitted, one after another, within rule.PreTimeout for all of them. It is for
// offers of transfers that this host has not accepted before. Errors:
// CodeNotAllowed when a command refuses by exit status 1, with what it wrote as
// the reason; CodeExit when one fails in another way: then nothing is accepted
// either, and the sender comes again.
func (r *Runner) Admit(ctx context.Context, o mft.Offer, l journal.Landing) error {
	runs := rule.Decide(r.c.Rules, rule.Facts{
		Phase: mft.ExitPre, Agent: r.c.Agent, Source: o.Sender, Transfer: o.Transfer, Channel: o.Channel,
		Path: path.Join(l.Root, l.Dir, l.Name), Size: o.Announced.Bytes,
	}, nil)
	if len(runs) == 0 {
		return nil
	}
	limited, cancel := context.WithTimeout(ctx, rule.PreTimeout)
	defer cancel()
	for i := range runs {
		if err := r.ask(limited, &runs[i]); err != nil {
			if ctx.Err() != nil {
				return fmt.Errorf("asking an exit: %w", ctx.Err())
			}
			return err
		}
	}
	return nil
}

// ask runs one command of phase pre.
func (r *Runner) ask(ctx context.Context, run *rule.Run) error {
	select {
	case r.turn <- struct{}{}:
		defer func() { <-r.turn }()
	case <-ctx.Done():
		return r.failed(run, errors.New("too many exits are being asked at once"), nil)
	}
	outcome, err := r.one(ctx, run)
	switch {
	case err != nil:
		return r.failed(run, err, nil)
	case outcome.OK():
		return nil
	case outcome.Status == refusal && !outcome.TimedOut && !outcome.Stopped:
		return mft.Fail(mft.CodeNotAllowed, "accept", run.Facts.Path, errors.New(said(outcome)))
	case outcome.Stopped:
		return r.failed(run, errors.New("stopped before it had decided"), outcome.Output)
	}
	return r.failed(run, errors.New(outcome.String()), outcome.Output)
}

// failed tells this host's operator what went wrong, and the sender only that
// something did.
func (r *Runner) failed(run *rule.Run, cause error, output []byte) error {
	err := mft.Fail(mft.CodeExit, "run", line(run.Args), cause)
	r.c.Log.Error("an exit that has to decide about a transfer failed", "transfer", run.Facts.Transfer, "err", err)
	if jerr := r.tell(context.Background(), run, err, output); jerr != nil {
		r.c.Log.Error("cannot write that an exit failed", "err", jerr)
	}
	return mft.Fail(mft.CodeExit, "accept", run.Facts.Path, errors.New("the command that decides about it failed on the receiving host"))
}

// said is the reason of a refusal.
func said(o process.Outcome) string {
	text := strings.ToValidUTF8(strings.TrimSpace(string(o.Output)), "\uFFFD")
	if len(text) > maxReason {
		text = strings.ToValidUTF8(text[:maxReason], "") + "…"
	}
	if text == "" {
		return "a command of the receiving host refused it"
	}
	return text
}

// line is a command for people.
func line(args []string) string {
	var b strings.Builder
	for i, a := range args {
		if i > 0 {
			b.WriteByte(' ')
		}
		if i == 0 {
			b.WriteString(a)
		} else {
			b.WriteString(strconv.Quote(a))
		}
		if b.Len() > maxLine {
			return b.String()[:maxLine] + "…"
		}
	}
	return b.String()
}

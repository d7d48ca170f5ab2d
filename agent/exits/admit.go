package exits

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"

	"mft.dev/mft"
	"mft.dev/mft/agent/exits/process"
	"mft.dev/mft/agent/exits/rule"
	"mft.dev/mft/journal"
)

// What a command of phase pre says by its exit status.
const (
	refusal = 1
	later   = 75 // EX_TEMPFAIL of sysexits.h
)

const (
	// maxReason bounds what of its output the sender is told, in bytes.
	maxReason = 500
	// maxTold is how many offers are remembered so that what is said of them is
	// written down once.
	maxTold = 1024
)

// Admit runs the commands of phase pre for an offer that everything else has
// admitted, one after another, within rule.PreTimeout for all of them. It is for
// offers of transfers that this host has not accepted before. Errors:
// CodeExitRefused when a command refuses by exit status 1 and CodeMaintenance
// when it puts off by 75, with what it wrote as the reason; CodeExit when one fails
// in another way: then nothing is accepted either, and the sender comes again.
func (r *Runner) Admit(ctx context.Context, o *mft.Offer, l journal.Landing) error {
	if mft.IsCanary(o.Destination, o.Transfer) {
		return nil
	}
	return r.decide(ctx, r.turn, rule.Decide(r.rules, rule.Facts{
		At: mft.EndDestination, Phase: mft.ExitPre, Agent: r.c.Agent, Peer: o.Sender, Transfer: o.Transfer, Channel: o.Channel,
		Destination: o.Destination, Path: path.Join(l.Root, l.Dir, l.Name), Size: o.Announced.Bytes,
	}, nil))
}

// decide runs commands of phase pre, one after another, when turn has room.
func (r *Runner) decide(ctx context.Context, turn chan struct{}, runs []rule.Run) error {
	if len(runs) == 0 {
		return nil
	}
	limited, cancel := context.WithTimeout(ctx, rule.PreTimeout)
	defer cancel()
	for i := range runs {
		outcome, err := r.ask(limited, turn, &runs[i])
		if ctx.Err() != nil {
			return fmt.Errorf("asking an exit: %w", ctx.Err())
		}
		if err = r.answer(&runs[i], outcome, err); err != nil {
			return err
		}
	}
	return nil
}

// ask runs one command of phase pre.
func (r *Runner) ask(ctx context.Context, turn chan struct{}, run *rule.Run) (process.Outcome, error) {
	select {
	case turn <- struct{}{}:
		defer func() { <-turn }()
	case <-ctx.Done():
		return process.Outcome{Status: -1}, errors.New("too many exits are being asked at once")
	}
	return r.one(ctx, run, 1)
}

// answer makes of how a command ended what the sender is told, or why nothing is
// offered, and tells this host's operator more.
func (r *Runner) answer(run *rule.Run, outcome process.Outcome, failure error) error {
	subject, doing, host := run.Facts.Path, "accept", "the receiving host"
	if run.Facts.At == mft.EndSource {
		doing, host = "offer", "the sending host"
	}
	var answer error
	ended := !outcome.TimedOut && !outcome.Stopped && failure == nil
	switch {
	case ended && outcome.Status == 0:
	case ended && outcome.Status == refusal:
		answer = mft.Fail(mft.CodeExitRefused, doing, subject, errors.New(said(outcome, "a command of "+host+" refused it")))
	case ended && outcome.Status == later:
		answer = mft.Fail(mft.CodeMaintenance, doing, subject, errors.New(said(outcome, "a command of "+host+" says: not now")))
	default:
		answer = mft.Fail(mft.CodeExit, doing, subject, errors.New("the command that decides about it failed on "+host))
	}
	detail := outcome.String()
	if outcome.Stopped {
		detail = "stopped before it had decided"
	}
	if failure != nil {
		detail = reason(failure)
	}
	detail = line(run.Args) + ": " + detail
	r.note(run, mft.CodeOf(answer), withOutput(detail, outcome.Output))
	return answer
}

// note writes down what a command said of an offer, unless it said the same
// before: the sender may come often.
func (r *Runner) note(run *rule.Run, code mft.Code, detail string) {
	id := run.Facts.Transfer
	r.mu.Lock()
	same := r.told[id] == detail
	if len(r.told) >= maxTold {
		clear(r.told)
	}
	r.told[id] = detail
	r.mu.Unlock()
	if same {
		return
	}
	if !code.OK() {
		r.c.Log.Warn("an exit did not let a transfer pass", "transfer", id, "what", detail)
	}
	if code.OK() {
		code = ""
	}
	err := r.c.Journal.Update(context.Background(), func(tx *journal.Tx) error {
		return tx.Append(r.event(run, mft.EventExitEnded, code, detail))
	})
	if err != nil {
		r.c.Log.Error("cannot write what an exit said", "err", err)
	}
}

// said is the reason of a refusal: what the command wrote, or else.
func said(o process.Outcome, otherwise string) string {
	text := strings.ToValidUTF8(strings.TrimSpace(string(o.Output)), "\uFFFD")
	if len(text) > maxReason {
		text = strings.ToValidUTF8(text[:maxReason], "") + "…"
	}
	if text == "" {
		return otherwise
	}
	return text
}

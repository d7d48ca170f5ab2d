package exits

import (
	"context"
	"errors"
	"path"
	"strings"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/exits/process"
	"mft.dev/mft/agent/exits/rule"
	"mft.dev/mft/journal"
	"mft.dev/mft/transfer/staging/publish"
)

// settle runs the commands of a transfer that has ended, in so far as they have
// not run, and then forgets what it delivered.
func (r *Runner) settle(ctx context.Context, id mft.TransferID) error {
	j := r.c.Journal
	t, ok, err := j.Transfer(ctx, id)
	if err != nil || !ok || !t.State.Terminal() {
		return err
	}
	if watched, err := j.Watched(ctx, id); err != nil || !watched {
		return err // it was settled since it was looked for
	}
	landing, _, err := j.Landing(ctx, id)
	if err != nil {
		return err
	}
	_, _, whole, err := j.Receipt(ctx, id)
	if err != nil {
		return err
	}
	facts := r.facts(t, landing)
	err = j.Delivered(ctx, id, func(b journal.Batch) error {
		for i := range b.Entries {
			if delivered(&b.Entries[i], whole) {
				if err := r.file(ctx, facts, landing, &b.Entries[i]); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err == nil && (t.State == mft.StateFailed || t.State == mft.StateRejected) {
		facts.Phase, facts.Code, facts.Reason = mft.ExitError, t.Reason.Code, t.Reason.Detail
		err = r.all(ctx, rule.Decide(r.c.Rules, facts, nil))
	}
	if err != nil {
		return err
	}
	return j.Update(ctx, func(tx *journal.Tx) error { return tx.Unwatch(id) })
}

// delivered reports whether an entry is a file that came with the transfer and
// has its final name. What was built aside, and has no temporary name of its own,
// got it with the receipt.
func delivered(e *journal.Entry, whole bool) bool {
	_, moved := publish.Moved(e.Digest)
	return e.Type == mft.ItemFile && !moved && (e.Temp != "" || whole)
}

// facts returns what is known of a transfer as a whole.
func (r *Runner) facts(t mft.Transfer, l journal.Landing) rule.Facts {
	return rule.Facts{
		Agent: r.c.Agent, Source: t.Peer, Transfer: t.ID, Channel: t.Channel,
		Path: path.Join(l.Root, l.Dir, l.Name), Size: t.Totals.Bytes,
	}
}

func (r *Runner) file(ctx context.Context, f rule.Facts, l journal.Landing, e *journal.Entry) error {
	f.Phase = mft.ExitPost
	f.Path, f.Size, f.Digest = path.Join(l.Root, e.Final), e.Size, e.Digest.String()
	return r.all(ctx, rule.Decide(r.c.Rules, f, append(e.Key[:], e.Digest[:]...)))
}

func (r *Runner) all(ctx context.Context, runs []rule.Run) error {
	for i := range runs {
		if err := r.once(ctx, &runs[i]); err != nil {
			return err
		}
	}
	return nil
}

// once runs a command unless it has run. An error means that it is not over:
// ctx has ended or the journal has failed.
func (r *Runner) once(ctx context.Context, run *rule.Run) error {
	id, again := run.Facts.Transfer, run.Rule.Exit().Again
	step, err := r.c.Journal.Exit(ctx, id, run.Key)
	switch {
	case err != nil || step == journal.ExitEnded:
		return err
	case step == journal.ExitStarted && !again:
		return r.end(run, mft.Fail(mft.CodeExit, "run", line(run.Args), errors.New(
			"the agent was interrupted while it ran; it may have run in part or in full, and is not run again (`again: true` would)")), nil)
	}
	err = r.c.Journal.Update(ctx, func(tx *journal.Tx) error {
		if err := tx.SetExit(id, run.Key, journal.ExitStarted); err != nil {
			return err
		}
		return tx.Append(r.event(run, mft.EventExitBegun, nil, line(run.Args)))
	})
	if err != nil {
		return err
	}
	return r.tries(ctx, run)
}

// tries runs a command that is on record as begun, until it does well or has
// been tried often enough.
func (r *Runner) tries(ctx context.Context, run *rule.Run) error {
	e := run.Rule.Exit()
	for n := 0; ; n++ {
		outcome, err := r.one(ctx, run)
		if outcome.Stopped || ctx.Err() != nil && err != nil {
			return context.Cause(ctx) // what is made of it the next start decides
		}
		if err == nil && !outcome.OK() {
			err = mft.Fail(mft.CodeExit, "run", line(run.Args), errors.New(outcome.String()))
		}
		if err == nil || n >= e.Retries {
			return r.end(run, err, outcome.Output)
		}
		if err := r.tell(ctx, run, err, outcome.Output); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(e.RetryDelay):
		}
	}
}

// one runs a command once, when it is its turn.
func (r *Runner) one(ctx context.Context, run *rule.Run) (process.Outcome, error) {
	e := run.Rule.Exit()
	who, err := process.Find(e.User, e.Group)
	if err != nil {
		return process.Outcome{}, err
	}
	return r.run(ctx, process.Order{
		Args: run.Args, Env: run.Env, As: who, Dir: e.Directory, Umask: run.Rule.Umask(), Timeout: e.Timeout,
	})
}

// end makes it durable that a command is over, and tells how it went. It is not
// given up because ctx ended: what has run has run.
func (r *Runner) end(run *rule.Run, failure error, output []byte) error {
	id := run.Facts.Transfer
	return r.c.Journal.Update(context.Background(), func(tx *journal.Tx) error {
		if err := tx.SetExit(id, run.Key, journal.ExitEnded); err != nil {
			return err
		}
		if err := tx.Append(r.ended(run, failure, output)); err != nil || failure == nil {
			return err
		}
		return tx.Remark(id, mft.Reason{Code: mft.CodeExit, Detail: "delivered, but an exit failed: " + failure.Error()})
	})
}

// tell tells of a failure that another try follows.
func (r *Runner) tell(ctx context.Context, run *rule.Run, failure error, output []byte) error {
	return r.c.Journal.Update(ctx, func(tx *journal.Tx) error { return tx.Append(r.ended(run, failure, output)) })
}

func (r *Runner) ended(run *rule.Run, failure error, output []byte) mft.Event {
	detail := line(run.Args)
	if failure != nil {
		detail = failure.Error()
	}
	if text := strings.TrimSpace(string(output)); text != "" {
		detail += "\n" + text
	}
	return r.event(run, mft.EventExitEnded, failure, detail)
}

func (r *Runner) event(run *rule.Run, kind mft.EventKind, failure error, detail string) mft.Event {
	f := &run.Facts
	return mft.Event{
		Time: r.c.Now(), Kind: kind, Transfer: f.Transfer, Channel: f.Channel, Peer: f.Source,
		Code: mft.ReasonOf(failure).Code, Detail: string(f.Phase) + ": " + detail,
	}
}

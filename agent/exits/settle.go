package exits

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/exits/launch"
	"mft.dev/mft/agent/exits/process"
	"mft.dev/mft/agent/exits/rule"
	"mft.dev/mft/journal"
	"mft.dev/mft/transfer/staging/publish"
)

// errInterrupted is why nothing is known of a command that is to run once.
var errInterrupted = errors.New("the agent was interrupted while it ran: it may have run in part or in full, and is not run again, as `once: true` says")

// A pass goes through the commands of a transfer that has ended, and runs those
// that it is time for.
type pass struct {
	*Runner
	held *held
	n    int // commands so far
	bad  int // failures so far
}

// settle runs the commands of a transfer that has ended, in so far as they have
// not run. When all are over it forgets what the transfer delivered.
func (r *Runner) settle(ctx context.Context, id mft.TransferID, h *held) error {
	j := r.c.Journal
	t, ok, err := j.Transfer(ctx, id)
	watched := false
	if err == nil && ok && t.State.Terminal() {
		watched, _, err = j.Watched(ctx, id)
	}
	if err != nil {
		return err
	}
	if !watched {
		clear(h.due) // it was settled since it was looked for
		return nil
	}
	p, remark := &pass{Runner: r, held: h}, ""
	if t.Role == mft.RoleSend {
		remark, err = p.sent(ctx, t)
	} else {
		err = p.received(ctx, t)
	}
	if err != nil || len(h.due) > 0 {
		return err
	}
	return j.Update(ctx, func(tx *journal.Tx) error {
		if remark != "" {
			run := rule.Run{Facts: rule.Facts{Phase: mft.ExitPost, Peer: t.Peer, Transfer: id, Channel: t.Channel}}
			if err := tx.Append(r.event(&run, mft.EventExitEnded, mft.CodeExit, remark)); err != nil {
				return err
			}
			if err := tx.Remark(id, mft.Reason{Code: mft.CodeExit, Detail: remark}); err != nil {
				return err
			}
		}
		return tx.Unwatch(id)
	})
}

// received runs the commands that follow a transfer which this host has received.
func (p *pass) received(ctx context.Context, t mft.Transfer) error {
	landing, _, err := p.c.Journal.Landing(ctx, t.ID)
	if err != nil {
		return err
	}
	facts := p.facts(t, landing)
	err = p.c.Journal.Delivered(ctx, t.ID, func(b journal.Batch) error {
		for i := range b.Entries {
			if delivered(&b.Entries[i]) {
				if err := p.file(ctx, facts, landing, &b.Entries[i]); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err == nil && (t.State == mft.StateFailed || t.State == mft.StateRejected) {
		facts.Phase, facts.Code, facts.Reason = mft.ExitError, t.Reason.Code, t.Reason.Detail
		err = p.all(ctx, rule.Decide(p.rules, facts, nil))
	}
	return err
}

// delivered reports whether an entry is a file that came with the transfer.
// What has no temporary name was there already; of a transfer that is listed
// nothing is built aside.
func delivered(e *journal.Entry) bool {
	_, moved := publish.Moved(e.Digest)
	return e.Type == mft.ItemFile && !moved && e.Temp != ""
}

// facts returns what is known of a transfer as a whole.
func (r *Runner) facts(t mft.Transfer, l journal.Landing) rule.Facts {
	return rule.Facts{
		At: mft.EndDestination, Agent: r.c.Agent, Peer: t.Peer, Transfer: t.ID, Channel: t.Channel, Destination: t.Destination,
		Path: path.Join(l.Root, l.Dir, l.Name), Size: t.Totals.Bytes,
	}
}

func (p *pass) file(ctx context.Context, f rule.Facts, l journal.Landing, e *journal.Entry) error {
	f.Phase = mft.ExitPost
	f.Path, f.Size, f.Digest = path.Join(l.Root, e.Final), e.Size, e.Digest.String()
	return p.all(ctx, rule.Decide(p.rules, f, append(e.Key[:], e.Digest[:]...)))
}

func (p *pass) all(ctx context.Context, runs []rule.Run) error {
	for i := range runs {
		if err := p.once(ctx, &runs[i]); err != nil {
			return err
		}
	}
	return nil
}

// once runs a command, unless it is over or not yet to be run again. An error
// means that nothing is known of its end: ctx has ended or the journal has
// failed.
func (p *pass) once(ctx context.Context, run *rule.Run) error {
	p.n++
	if time.Now().Before(p.held.due[run.Key]) {
		return nil
	}
	one, begun, err := p.c.Journal.Exit(ctx, run.Facts.Transfer, run.Key)
	if err != nil || one.Ended {
		return err
	}
	if !begun {
		one = journal.ExitRun{Key: run.Key, Phase: run.Facts.Phase, Path: run.Facts.Path, Command: line(run.Args)}
	}
	if one.Running && run.Rule.Exit().Once {
		return p.end(run, &one, process.Outcome{Status: -1}, errInterrupted)
	}
	one.Running, one.At, one.Runs = true, p.c.Now(), one.Runs+1
	err = p.c.Journal.Update(ctx, func(tx *journal.Tx) error {
		if err := tx.SetExit(run.Facts.Transfer, one); err != nil || !p.tells(false) {
			return err
		}
		return tx.Append(p.event(run, mft.EventExitBegun, "", one.Command+nth(one.Runs)))
	})
	if err != nil {
		return err
	}
	outcome, err := p.one(ctx, run, one.Runs)
	if outcome.Stopped || ctx.Err() != nil && err != nil {
		return context.Cause(ctx) // it is run again at the next start
	}
	if err == nil && !outcome.OK() {
		err = errors.New(outcome.String())
	}
	return p.end(run, &one, outcome, err)
}

// nth names a run that is not the first.
func nth(run int) string {
	if run < 2 {
		return ""
	}
	return fmt.Sprintf(" (run %d)", run)
}

// end makes it durable how a run of a command ended, and tells it. It is not
// given up because ctx ended: what has run has run.
func (p *pass) end(run *rule.Run, one *journal.ExitRun, outcome process.Outcome, failure error) error {
	e := run.Rule.Exit()
	one.Running, one.Ended, one.At, one.Status = false, true, p.c.Now(), outcome.Status
	one.Code, one.Detail = "", outcome.String()
	detail := one.Command + ": " + one.Detail + nth(one.Runs)
	if failure != nil {
		p.bad++
		one.Failures++
		one.Code, one.Detail = mft.CodeExit, reason(failure)
		detail = one.Command + ": " + one.Detail + nth(one.Runs)
		one.Ended = one.Failures > e.Retries || errors.Is(failure, errInterrupted)
		switch {
		case !one.Ended:
			detail += fmt.Sprintf(", is run again in %v", e.RetryDelay)
		case one.Failures > 1:
			detail += ", given up"
		}
		p.c.Log.Warn("an exit failed", "transfer", run.Facts.Transfer, "what", detail)
	}
	one.Output = clip(outcome.Output, p.keeps())
	err := p.c.Journal.Update(context.Background(), func(tx *journal.Tx) error {
		id := run.Facts.Transfer
		if err := tx.SetExit(id, *one); err != nil {
			return err
		}
		if p.tells(failure != nil) {
			if err := tx.Append(p.event(run, mft.EventExitEnded, one.Code, withOutput(detail, outcome.Output))); err != nil {
				return err
			}
		}
		if failure == nil || !one.Ended {
			return nil
		}
		return tx.Remark(id, mft.Reason{Code: mft.CodeExit, Detail: "delivered, but an exit failed: " + one.Command + ": " + one.Detail})
	})
	switch {
	case err != nil:
		return err
	case one.Ended:
		delete(p.held.due, run.Key)
	default:
		p.held.due[run.Key] = time.Now().Add(e.RetryDelay)
	}
	return nil
}

// one runs a command once, for the nth time.
func (r *Runner) one(ctx context.Context, run *rule.Run, nth int) (process.Outcome, error) {
	if r.c.Launch != nil {
		return r.c.Launch.Run(ctx, slices.Index(r.rules, run.Rule), run, nth)
	}
	e := run.Rule.Exit()
	who, err := process.Find(e.User, e.Group)
	if err != nil {
		return process.Outcome{Status: -1}, err
	}
	o := launch.OfExit(run, nth, who, r.c.Hidden)
	if !r.c.Walls {
		o.Walls = nil
	}
	return r.run(ctx, o)
}

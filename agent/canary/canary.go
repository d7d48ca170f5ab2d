// Package canary tests a channel as a run would use it, without a run: what it needs at
// both ends, and a small file that is really delivered, and removed there.
//
//	err := tester.Test(ctx, "finance-nightly", func(s canary.Step) error { … })
//
// A canary is a transfer of its own, with the name mft.CanaryName at the destination: the
// receiver admits it as it admits all, commits it under that name, and removes it before
// it gives its receipt. It belongs to no channel and no run, so nothing counts it; neither
// exits nor arrivals see it. The package refuses to test two channels at once that would
// wait for the same place, no more than any transfers do, and leaves nothing behind: a
// canary that nobody waits for is cancelled, at both ends.
package canary

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/conduct"
	"mft.dev/mft/agent/order"
	"mft.dev/mft/agent/route"
	"mft.dev/mft/internal/confine"
	"mft.dev/mft/journal"
	"mft.dev/mft/protocol"
)

// Config is what a tester needs; every field must be set.
type Config struct {
	// Dir is a private directory, which nobody else uses.
	Dir      string
	Journal  *journal.Journal
	Book     *order.Book
	Ways     *route.Table
	Channels *conduct.Set
	// List lists the source of a channel as the user who reads it.
	List func(ctx context.Context, channel, root string) error
	// Cancel ends a transfer, at the other end too.
	Cancel func(ctx context.Context, id mft.TransferID, why mft.Reason) (mft.Transfer, error)
	Now    func() time.Time
	// Exchange says that there is one.
	Exchange bool
}

// A Tester tests channels. Its methods may be called concurrently.
type Tester struct{ c Config }

// New returns a tester. It starts nothing.
func New(c Config) *Tester { return &Tester{c} }

// An Outcome is what became of a step.
type Outcome string

// The outcomes.
const (
	OK       Outcome = "ok"
	Failed   Outcome = "failed"
	NotTried Outcome = "not tried"
)

// A Step is one thing that was tried.
type Step struct {
	// What was tried, with the path that it is about.
	What, Path string
	// Agent and Way are of a delivery: to whom, over which way.
	Agent mft.AgentName
	Way   mft.Path
	// Transfer is that of the canary, if there was one.
	Transfer mft.TransferID
	Outcome  Outcome
	// Err is why it failed or was not tried.
	Err  error
	Took time.Duration
}

// Clear removes what canaries of an earlier life of the agent had here. What becomes of
// their transfers follows from that: nothing is sent any more.
func (t *Tester) Clear() error {
	if err := os.RemoveAll(t.c.Dir); err != nil {
		return mft.Fail(confine.CodeFor(err), "remove the directory of canaries", t.c.Dir, err)
	}
	return nil
}

// Test tries everything that a channel which begins here needs, and calls tell with each step
// as soon as it is over. A delivery that takes longer than patience has failed. Errors are
// those of conduct.Set.Needs, of ctx, and what tell returns; that something does not work is
// none.
func (t *Tester) Test(ctx context.Context, channel string, patience time.Duration, tell func(Step) error) error {
	needs, err := t.c.Channels.Needs(channel)
	if err == nil {
		err = t.try(ctx, needs, tell)
	}
	if err != nil {
		return err
	}
	ch := needs.Channel
	for _, to := range ch.To {
		if err := t.deliver(ctx, ch, to, patience, tell); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// deliver sends a canary to one endpoint, over each way that there is.
func (t *Tester) deliver(ctx context.Context, ch mft.Channel, to mft.Endpoint, patience time.Duration, tell func(Step) error) error {
	agent := to.Agent
	if to.Group != "" {
		var err error
		if agent, err = t.c.Channels.Groups().Active(ctx, to.Group); err != nil {
			return tell(Step{What: "delivery", Path: to.Path, Agent: to.Group, Outcome: Failed, Err: err})
		}
	}
	path := t.c.Ways.Path(agent)
	for _, way := range []mft.Path{mft.PathDirect, mft.PathRelay} {
		s := Step{What: "delivery", Path: to.Path, Agent: agent, Way: way, Outcome: NotTried}
		switch {
		case path != mft.PathAuto && path != way && !t.c.Exchange:
			continue // nobody expects an exchange
		case path != mft.PathAuto && path != way:
			s.Err = fmt.Errorf("peers.%s.path is %s", agent, path)
		case to.Group != "" && way == mft.PathRelay:
			s.Err = errors.New("members of a group have to be reached over the link")
		default:
			began := t.c.Now()
			s.Outcome = OK
			if s.Transfer, s.Err = t.fly(ctx, ch, mft.Endpoint{Agent: agent, Path: to.Path}, way, patience); s.Err != nil {
				s.Outcome = Failed
			}
			s.Took = t.c.Now().Sub(began)
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := tell(s); err != nil {
			return err
		}
	}
	return nil
}

// fly sends one canary, and returns when it is over.
func (t *Tester) fly(ctx context.Context, ch mft.Channel, to mft.Endpoint, way mft.Path, patience time.Duration) (id mft.TransferID, err error) {
	if id, err = order.NewID(); err != nil {
		return id, err
	}
	dir := filepath.Join(t.c.Dir, id.String())
	file := filepath.Join(dir, "canary")
	if err = os.MkdirAll(dir, 0o700); err == nil {
		err = os.WriteFile(file, fmt.Appendf(nil, "A canary of mft, which tests channel %s. It is removed at once.\n", ch.Name), 0o600)
	}
	defer os.RemoveAll(dir) // what stays goes with the next start
	if err != nil {
		return id, mft.Fail(confine.CodeFor(err), "write the canary", file, err)
	}
	defer t.c.Ways.Bind(id, way)()
	if err := t.c.Book.Canary(ctx, order.Canary{Transfer: id, Agent: to.Agent, File: file, Dir: to.Path, Compress: ch.Compress}); err != nil {
		return mft.TransferID{}, err
	}
	return id, t.await(ctx, id, patience)
}

// await waits for the end of a canary's transfer, and returns why it was not delivered.
func (t *Tester) await(ctx context.Context, id mft.TransferID, patience time.Duration) error {
	limit, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		newest := t.c.Journal.Newest()
		row, _, err := t.c.Journal.Transfer(ctx, id)
		switch {
		case err != nil:
		case row.State == mft.StateDone:
			err = t.received(ctx, id)
			return err
		case row.State.Terminal(), hopeless(row):
			err = mft.Fail(row.Reason.Code, "deliver the canary to", string(row.Peer), errors.New(row.Reason.Detail))
		case limit.Err() != nil:
			err = mft.Fail(mft.CodeTimeout, "deliver the canary to", string(row.Peer), fmt.Errorf("after %v it is %s", patience, waits(row)))
		}
		if err != nil {
			return errors.Join(err, t.end(ctx, row))
		}
		t.wait(limit, newest)
	}
}

// wait waits for something to happen, or a while.
func (t *Tester) wait(ctx context.Context, newest int64) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	_ = t.c.Journal.Wait(ctx, newest) // for what, the next look tells
}

// hopeless reports whether a transfer waits for what does not come about in a moment.
func hopeless(row mft.Transfer) bool {
	switch row.Reason.Code {
	case mft.CodeUnreachable, mft.CodeBlocked, mft.CodeNoSpace, mft.CodeQuota, mft.CodeReadOnly:
		return row.State == mft.StateWaiting
	}
	return false
}

func waits(row mft.Transfer) string {
	if row.Reason.Code.OK() {
		return string(row.State)
	}
	return fmt.Sprintf("%s: %s [%s]", row.State, row.Reason.Detail, row.Reason.Code)
}

// end cancels a transfer that has not ended.
func (t *Tester) end(ctx context.Context, row mft.Transfer) error {
	if row.State.Terminal() {
		return nil
	}
	_, err := t.c.Cancel(context.WithoutCancel(ctx), row.ID, mft.Reason{Code: mft.CodeCancelled, Detail: "the canary was given up"})
	if mft.CodeOf(err) == mft.CodeBadState {
		return nil
	}
	return err
}

// received looks at what the receiver has signed.
func (t *Tester) received(ctx context.Context, id mft.TransferID) error {
	receipt, signed, ok, err := t.c.Journal.Receipt(ctx, id)
	if err != nil {
		return err
	}
	e, err := protocol.ParseEnvelope(signed)
	if !ok || err != nil || e.Transfer != id || receipt.Received.Items != 1 || !receipt.Code.OK() {
		return mft.Fail(mft.CodeInternal, "check the receipt of the canary", id.String(), errors.New("it does not say that the canary was delivered"))
	}
	return nil
}

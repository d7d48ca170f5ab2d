package exits

import (
	"context"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"mft.dev/mft"
	"mft.dev/mft/agent/exits/rule"
	"mft.dev/mft/journal"
)

// This file is about transfers that this host sends. Its journal knows of them what
// they name, one by one, and one receipt for all of it.

// Offer runs the commands of phase pre for a transfer that this host is about to
// offer, if it was never offered before. Limits and errors are those of Admit; the
// attempt ends with the error.
func (r *Runner) Offer(ctx context.Context, t mft.Transfer) error {
	if t.Attempts > 0 || mft.IsCanary(t.Destination, t.ID) {
		return nil
	}
	f := r.sending(t)
	f.Phase = mft.ExitPre
	return r.decide(ctx, r.offering, rule.Decide(r.rules, f, nil))
}

// Before returns offer, with what Offer does before it.
func (r *Runner) Before(t mft.Transfer, offer func(context.Context) (mft.Offer, error)) func(context.Context) (mft.Offer, error) {
	return func(ctx context.Context) (mft.Offer, error) {
		if err := r.Offer(ctx, t); err != nil {
			return mft.Offer{}, err
		}
		return offer(ctx)
	}
}

// Ended has a transfer kept that this host sends and that has ended, until its
// commands have run, if any rule may concern it. It is for the transaction that
// ends the transfer.
func (r *Runner) Ended(tx *journal.Tx, t mft.Transfer) error {
	phase, some := follows(t.State)
	if t.Role != mft.RoleSend || !some || mft.IsCanary(t.Destination, t.ID) {
		return nil
	}
	concerns := func(one *rule.Rule) bool {
		return one.Phase() == phase && one.For(mft.EndSource, t.Peer, t.Channel)
	}
	if !slices.ContainsFunc(r.rules, concerns) {
		return nil
	}
	return tx.Watch(t.ID, false)
}

// follows returns the phase of the commands that follow at the source when a
// transfer has come to a state.
func follows(s mft.State) (mft.ExitPhase, bool) {
	switch s {
	case mft.StateDone:
		return mft.ExitPost, true
	case mft.StateFailed, mft.StateRejected:
		return mft.ExitError, true
	}
	return "", false
}

// sending returns what is known of a transfer that this host sends.
func (r *Runner) sending(t mft.Transfer) rule.Facts {
	f := rule.Facts{
		At: mft.EndSource, Agent: r.c.Agent, Peer: t.Peer, Transfer: t.ID, Channel: t.Channel, ChannelRun: t.Run,
		Destination: t.Destination, Size: t.Totals.Bytes,
	}
	for _, s := range t.Sources {
		f.Sources = append(f.Sources, filepath.ToSlash(filepath.Clean(s)))
	}
	f.Path = holds(f.Sources)
	return f
}

// holds returns the path that is there, or of several the directory that has all of
// them.
func holds(paths []string) string {
	switch len(paths) {
	case 0:
		return "/"
	case 1:
		return paths[0]
	}
	dir := path.Dir(paths[0])
	for _, p := range paths[1:] {
		for !strings.HasPrefix(p, strings.TrimSuffix(dir, "/")+"/") && dir != path.Dir(dir) {
			dir = path.Dir(dir)
		}
	}
	return dir
}

// sent runs the commands that follow a transfer which this host has sent, in so far
// as they have not run. The remark, if it is not empty, is why none could be run.
func (p *pass) sent(ctx context.Context, t mft.Transfer) (remark string, err error) {
	f := p.sending(t)
	f.Phase, _ = follows(t.State)
	if f.Phase == mft.ExitError {
		f.Code, f.Reason = t.Reason.Code, t.Reason.Detail
		return "", p.all(ctx, rule.Decide(p.rules, f, nil))
	}
	var runs []rule.Run
	for _, s := range f.Sources {
		f := f
		f.Path, f.Sources = s, nil
		runs = append(runs, rule.Decide(p.rules, f, nil)...)
	}
	if len(runs) == 0 {
		return "", nil
	}
	gone, known, err := p.gone(ctx, t, f.Sources)
	switch {
	case err != nil:
		return "", err
	case !known:
		return "files of the channel had gone before they were sent, and the receipt does not say which: no command is run for the others", nil
	}
	runs = slices.DeleteFunc(runs, func(run rule.Run) bool { return gone[run.Facts.Path] })
	return "", p.all(ctx, runs)
}

// gone returns which files of a channel's transfer were not there any more when it
// was sent. They are known when the others are as many as the receipt is for.
func (p *pass) gone(ctx context.Context, t mft.Transfer, sources []string) (gone map[string]bool, known bool, err error) {
	if t.Channel == "" || t.Requested {
		return nil, true, nil // everything that was named was there, or nothing would have been sent
	}
	receipt, _, _, err := p.c.Journal.Receipt(ctx, t.ID)
	if err != nil {
		return nil, false, err
	}
	there := receipt.Received.Items + receipt.Unchanged.Items
	if there == int64(len(sources)) {
		return nil, true, nil
	}
	events, err := p.c.Journal.TransferEvents(ctx, t.ID)
	if err != nil {
		return nil, false, err
	}
	gone = map[string]bool{}
	for _, e := range events {
		if e.Kind != mft.EventItem || e.Code != mft.CodeNotFound {
			continue
		}
		for i, s := range t.Sources {
			if strings.Contains(e.Detail, strconv.Quote(s)) {
				gone[sources[i]] = true
			}
		}
	}
	return gone, there == int64(len(sources)-len(gone)), nil
}

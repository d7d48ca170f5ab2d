package dir

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/exchange"
	"mft.dev/mft/exchange/dir/layout"
	"mft.dev/mft/internal/confine"
)

// scanMost is the most names that are looked at to find letters.
const scanMost = 200_000

// A queue is the queues of a folder.
type queue struct{ f *folder }

func (q queue) Put(ctx context.Context, to mft.AgentName, body []byte) error {
	if _, err := mft.ParseAgentName(string(to)); err != nil {
		return err
	}
	if err := exchange.CheckLetter(body); err != nil {
		return err
	}
	return q.f.use(ctx, "put letter", func(c *call) error {
		d, err := c.open(to, queueDir)
		if missing(err) {
			return c.fail(mft.CodeNotFound, string(to), "this agent has no queue in the folder")
		}
		if err != nil {
			return err
		}
		now, err := c.now()
		if err != nil {
			return err
		}
		fresh := layout.NewLetter(now)
		return write(d, d, fresh.String(), body, confine.RenameReplace)
	})
}

func (q queue) Take(ctx context.Context, most int, lease time.Duration) ([]exchange.Letter, error) {
	most = min(most, exchange.MaxTake)
	if most < 1 || lease <= 0 {
		return nil, mft.Fail(mft.CodeUsage, "take letters", "", fmt.Errorf("%d letters for %v cannot be taken", most, lease))
	}
	out, err := q.takeNow(ctx, most, lease)
	if err != nil || len(out) > 0 || q.f.wait < 0 {
		return out, err
	}
	pause := time.NewTimer(q.f.wait)
	defer pause.Stop()
	select {
	case <-ctx.Done():
		return nil, cancelled(ctx, "take letters")
	case <-pause.C:
	}
	return q.takeNow(ctx, most, lease)
}

// takeNow takes what is there.
func (q queue) takeNow(ctx context.Context, most int, lease time.Duration) (out []exchange.Letter, err error) {
	err = q.f.use(ctx, "take letters", func(c *call) error {
		d, err := c.open(c.agent, queueDir)
		if err != nil {
			return err
		}
		// Another may be faster each time, or a network file system show names that
		// are no more: so it looks again, but not for ever.
		for round := 0; len(out) == 0 && round < 4; round++ {
			found, err := c.oldest(ctx, d, most)
			if err != nil || len(found) == 0 {
				return err
			}
			for _, n := range found {
				if len(out) == most || ctx.Err() != nil {
					break
				}
				l, err := c.take(d, n, lease)
				if err != nil && len(out) == 0 {
					return err
				}
				if err != nil {
					break // those that were taken are not to wait for their lease
				}
				if l != nil {
					out = append(out, *l)
				}
			}
			if err := ctx.Err(); err != nil && len(out) == 0 {
				return err
			}
		}
		// So that a letter that brings the whole host down is counted.
		return flush(d, nil)
	})
	if len(out) > 0 {
		err = nil // a lease that is lost is allowed, letters that are kept back are not
	}
	return out, err
}

// oldest returns the oldest letters that are not leased, more than most of them
// if there are, since others may be faster. It removes what is left over.
func (c *call) oldest(ctx context.Context, d *confine.Dir, most int) ([]layout.Letter, error) {
	now, err := c.now()
	if err != nil {
		return nil, err
	}
	keep := 4 * most
	var found []layout.Letter
	var old []string
	looked := 0
	err = d.Names(func(name string) error {
		if looked++; looked > scanMost {
			return errEnough
		}
		if n, ok := layout.ParseLetter(name); ok && n.Until <= layout.Millis(now) {
			if found = append(found, n); len(found) == 2*keep {
				slices.SortFunc(found, layout.Letter.Before)
				found = found[:keep]
			}
		} else if !ok && strings.HasPrefix(name, partPrefix) && len(old) < sweepMost {
			if id, err := d.Identity(name); err == nil && now.Sub(time.Unix(0, id.MTime)) > leftOver {
				old = append(old, name)
			}
		}
		return ctx.Err()
	})
	if err != nil && err != errEnough {
		return nil, err
	}
	for _, name := range old {
		_ = d.Remove(name) // what cannot be removed does no harm
	}
	slices.SortFunc(found, layout.Letter.Before)
	return found[:min(len(found), keep)], nil
}

// take leases one letter and reads it; nil when another was faster, or when it
// is none.
func (c *call) take(d *confine.Dir, n layout.Letter, lease time.Duration) (*exchange.Letter, error) {
	now, err := c.now()
	if err != nil {
		return nil, err
	}
	to := n.Leased(now.Add(lease)).TakenAgain()
	if won, err := move(d, n.String(), to.String()); !won {
		return nil, err
	}
	body, err := c.readSmall(c.own(queueDir, to.String()), exchange.MaxLetter)
	switch mft.CodeOf(err) {
	case mft.CodeOK:
		if len(body) > 0 {
			return &exchange.Letter{ID: to.ID, Body: body, Taken: to.Taken, Claim: to.String()}, nil
		}
		fallthrough
	case mft.CodeTooLarge, mft.CodeNotRegular, mft.CodeSymlink:
		// Put by somebody who does not keep to the contract. It can never be
		// delivered. What cannot be removed comes again when its lease ends.
		_ = d.Remove(to.String())
		return nil, nil
	case mft.CodeNotFound:
		return nil, nil
	}
	return nil, err
}

// move renames a letter and reports whether it is this call that did. A network
// file system may do it and lose the answer, and say then that it is not there;
// the new name has a claim that nobody else has.
func move(d *confine.Dir, from, to string) (bool, error) {
	err := d.Rename(from, d, to, confine.RenameReplace)
	if !missing(err) {
		return err == nil, err
	}
	_, err = d.Identity(to)
	return err == nil, ignoreMissing(err)
}

func (q queue) Renew(ctx context.Context, l *exchange.Letter, lease time.Duration) error {
	n, ok := layout.ParseLetter(l.Claim)
	if !ok || lease <= 0 {
		return mft.Fail(mft.CodeUsage, "renew letter", l.ID, errors.New("the claim is none, or the lease has no length"))
	}
	return q.f.use(ctx, "renew letter", func(c *call) error {
		d, err := c.open(c.agent, queueDir)
		if err != nil {
			return err
		}
		now, err := c.now()
		if err != nil {
			return err
		}
		to := n.Leased(now.Add(lease))
		won, err := move(d, n.String(), to.String())
		if err != nil {
			return err
		}
		if !won {
			return c.fail(mft.CodeNotFound, n.ID, "the letter is gone, or another has taken it")
		}
		l.Claim = to.String()
		return nil
	})
}

func (q queue) Remove(ctx context.Context, l *exchange.Letter) error {
	n, ok := layout.ParseLetter(l.Claim)
	if !ok {
		return mft.Fail(mft.CodeUsage, "remove letter", l.ID, errors.New("the claim is none"))
	}
	return q.f.use(ctx, "remove letter", func(c *call) error {
		d, err := c.open(c.agent, queueDir)
		if err != nil {
			return err
		}
		err = d.Remove(n.String())
		if missing(err) {
			return c.elsewhere(ctx, d, n)
		}
		if err != nil {
			return err
		}
		return flush(d, nil)
	})
}

// elsewhere fails when the letter is there under another claim.
func (c *call) elsewhere(ctx context.Context, d *confine.Dir, n layout.Letter) error {
	err := d.Names(func(name string) error {
		if m, ok := layout.ParseLetter(name); ok && m.ID == n.ID {
			return c.fail(mft.CodeNotFound, n.ID, "another has taken the letter")
		}
		return ctx.Err()
	})
	return err
}

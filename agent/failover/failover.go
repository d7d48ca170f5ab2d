// Package failover has the runs of a channel follow server groups to their active
// members.
//
// It does so in two steps, each of which may be done again after a crash: transfers to another
// member are ended, with a code that says why; and of each that ended so a new one is made,
// whose id follows from that of the old one. While such a one is missing the run is not over.
package failover

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/group"
	"mft.dev/mft/agent/trail"
	"mft.dev/mft/journal"
	"mft.dev/mft/journal/leaving"
	"mft.dev/mft/trigger/firing"
)

// Config is what a Follower needs; every field must be set.
type Config struct {
	Channel mft.Channel
	Groups  *group.Groups
	Journal *journal.Journal
	Trail   *trail.Trail
	Now     func() time.Time
	// Plan and Placed are those of package arrival.
	Plan   func(to mft.AgentName, o mft.Overwrite) (mft.Transfer, error)
	Placed func(mft.Transfer)
	// Leave ends a transfer.
	Leave func(ctx context.Context, id mft.TransferID, why mft.Reason) (mft.Transfer, error)
	// Destination is where transfers to an endpoint of the channel go.
	Destination func(to mft.Endpoint) string
}

// A Follower follows for one channel. It is for one goroutine; one that is nil has nothing
// to follow.
type Follower struct {
	Config
	// What Look has seen: the active members of the groups of the channel, and why one of
	// them has none.
	active map[mft.AgentName]mft.AgentName
	apart  error
}

// New returns a follower, nil for a channel without a group.
func New(c Config) *Follower {
	for _, e := range append(slices.Clone(c.Channel.To), c.Channel.From) {
		if e.Group != "" {
			return &Follower{Config: c}
		}
	}
	return nil
}

// Trouble returns why a group has no active member, nil if each has one.
func (x *Follower) Trouble() error {
	if x == nil {
		return nil
	}
	return x.apart
}

// Look looks for the active members of the groups of the channel, and returns why
// nothing can move.
func (x *Follower) Look(ctx context.Context) (why firing.Why) {
	if x == nil {
		return ""
	}
	x.active, x.apart = map[mft.AgentName]mft.AgentName{}, nil
	for _, to := range append(slices.Clone(x.Channel.To), x.Channel.From) {
		if to.Group == "" {
			continue
		}
		member, err := x.Groups.Active(ctx, to.Group)
		switch {
		case err != nil:
			x.apart, why = err, firing.WhyApart
		case to == x.Channel.From && member != to.Agent && why == "":
			why = firing.WhyPassive
		}
		x.active[to.Group] = member
	}
	return why
}

// Passive reports whether an agent is one to which the channel leads only when it is the
// active member of its group, which it is not.
func (x *Follower) Passive(agent mft.AgentName) bool {
	if x == nil {
		return false
	}
	is := false
	for _, to := range x.Channel.To {
		if to.Agent == agent || to.Group != "" && x.active[to.Group] == agent {
			return false
		}
		is = is || to.Group != ""
	}
	return is
}

// Follow has a run that is under way follow a fail-over. It reports whether something of it is
// missing, and was not made.
func (x *Follower) Follow(ctx context.Context, run string) (missing bool, err error) {
	if x == nil {
		return false, nil
	}
	rows, err := x.Journal.Transfers(ctx, journal.Filter{Run: run})
	if err != nil {
		return false, err
	}
	for _, t := range rows {
		left := t.State == mft.StateCancelled && t.Reason.Code == mft.CodeFailedOver
		if t.State.Terminal() && !left {
			continue
		}
		to := x.leads(t)
		if !left && to != "" && t.Peer != to {
			if _, err := x.Leave(ctx, t.ID, mft.Reason{Code: mft.CodeFailedOver}); err != nil && mft.CodeOf(err) != mft.CodeBadState {
				return false, err
			}
			missing = true // or it was delivered at the last moment
			continue
		}
		if left {
			lost, err := x.replace(ctx, t, to)
			if err != nil {
				return false, err
			}
			missing = missing || lost
		}
	}
	return missing, nil
}

// Note tells of a run how many of its transfers followed a fail-over.
func Note(n int64) mft.Reason {
	if n == 0 {
		return mft.Reason{}
	}
	return mft.Reason{Detail: fmt.Sprintf("%d of its transfers followed a fail-over", n)}
}

// leads returns where a transfer should go: the active member of the group that it
// was made for, empty if there is none.
func (x *Follower) leads(t mft.Transfer) mft.AgentName {
	for _, to := range x.Channel.To {
		g, is := x.Groups.Find(to.Group)
		if is && slices.Contains(g.Members, t.Peer) && x.Destination(to) == t.Destination {
			return x.active[to.Group]
		}
	}
	return ""
}

// replace makes the transfer that takes the place of one that was left, unless there is
// one. It reports whether there is still none.
func (x *Follower) replace(ctx context.Context, old mft.Transfer, to mft.AgentName) (missing bool, err error) {
	id := successor(old.ID)
	if _, is, err := x.Journal.Transfer(ctx, id); err != nil || is {
		return false, err
	}
	if to == "" {
		return true, nil
	}
	t, err := x.Plan(to, old.Overwrite)
	if err != nil {
		return true, err
	}
	t.ID, t.Channel, t.Run, t.Sources, t.Destination = id, old.Channel, old.Run, old.Sources, old.Destination
	t.Compare, t.Compress, t.Mirror, t.Preserve = old.Compare, old.Compress, old.Mirror, old.Preserve
	detail := fmt.Sprintf("%s: %s takes the place of %s, which was for %s", old.Run, id, old.ID, old.Peer)
	told := mft.Event{Time: x.Now(), Kind: mft.EventFailover, Channel: old.Channel, Peer: to, Code: mft.CodeFailedOver, Detail: detail}
	err = x.Journal.Update(ctx, func(tx *journal.Tx) error {
		if err := tx.Create(t); err != nil {
			return err
		}
		if err := leaving.Succeed(tx.Leaving(), old.ID, id); err != nil {
			return err
		}
		if err := x.Trail.Tell(tx, id, mft.EventPlanned, "", "in the place of "+old.ID.String()); err != nil {
			return err
		}
		if err := tx.SetState(id, mft.StateQueued, mft.Reason{}, x.Now()); err != nil {
			return err
		}
		return tx.Append(told)
	})
	if err != nil {
		return true, err
	}
	t.State = mft.StateQueued
	x.Placed(t)
	return false, nil
}

// successor returns the id of the transfer that takes the place of another: its time, and
// random bits that follow from those of the other.
func successor(id mft.TransferID) mft.TransferID {
	sum := sha256.Sum256(append([]byte("mft successor\x00"), id[:]...))
	next := id
	next[6] = id[6]&0xf0 | sum[0]&0x0f
	next[7] = sum[1]
	next[8] = id[8]&0xc0 | sum[2]&0x3f
	copy(next[9:], sum[3:])
	return next
}

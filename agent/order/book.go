package order

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/source"
	"mft.dev/mft/agent/trail"
	"mft.dev/mft/journal"
	"mft.dev/mft/transfer"
)

// A Destination is one place a copy goes to.
type Destination struct {
	Agent mft.AgentName
	Path  string // absolute on Agent's host; see mft.Offer.Destination
	// Overwrite may be empty, which is mft.OverwriteReplace.
	Overwrite mft.Overwrite
	// Transfer is the id that the transfer gets; zero for a new one.
	Transfer mft.TransferID
	// Compare may be empty, which is mft.CompareQuick, and Compress, which is
	// mft.CompressAuto.
	Compare  mft.Compare
	Compress mft.Compress
	Preserve mft.Preserve
	// Mirror needs exactly one source, a directory.
	Mirror mft.Mirror
}

// Placed is what became of one destination of a copy. Its Transfer is zero
// when Err is set.
type Placed struct {
	Destination
	Err error
}

// A Request asks a peer for files of its host.
type Request struct {
	Agent mft.AgentName
	Path  string // absolute on Agent's host
	Into  string // absolute on this host; see mft.Offer.Destination
	// Overwrite may be empty, which is mft.OverwriteReplace.
	Overwrite mft.Overwrite
	// Transfer is the id that the transfer gets; zero for a new one.
	Transfer mft.TransferID
	// Compare, Compress and Preserve are as for a Destination.
	Compare  mft.Compare
	Compress mft.Compress
	Preserve mft.Preserve
}

// A Book makes transfers of orders. Every field must be set. Its methods may
// be called by several goroutines at once.
//
// An order whose id is in the journal already is the same order once more:
// whoever gave it missed the answer. It is answered as it was at first, for as
// long as the journal knows the transfer, whatever became of it and of its
// source; nothing is done anew. If it says anything else than at first the
// error is mft.CodeIDTaken.
type Book struct {
	Journal *journal.Journal
	Trail   *trail.Trail
	Now     func() time.Time
	// Knows reports whether an agent is a peer.
	Knows func(mft.AgentName) bool
	// Find is source.Grant, by who may look.
	Find func(ctx context.Context, r *mft.Request, grants []mft.Grant) (string, error)
	// Queue is given each new transfer as soon as it is durable.
	Queue func(mft.Transfer)
}

// Draw makes a row, which is not in the journal yet, for a peer that is known.
// Errors: mft.CodeUnknownPeer and those of New.
func (b *Book) Draw(role mft.Role, peer mft.AgentName, o mft.Overwrite) (mft.Transfer, error) {
	if err := b.known(peer); err != nil {
		return mft.Transfer{}, err
	}
	return New(mft.TransferID{}, role, peer, o, b.Now())
}

func (b *Book) known(peer mft.AgentName) error {
	if b.Knows(peer) {
		return nil
	}
	return mft.Fail(mft.CodeUnknownPeer, "look up peer", string(peer), nil)
}

// Copy makes one transfer of sources for each destination. What is wrong with
// one of them is in its Placed; an error means that there is no new transfer
// at all. The transfers are in the journal when Copy returns.
//
// Sources are absolute paths of this host and are opened once to see that
// they are there. Errors: mft.CodeUsage, mft.CodeBadPath, and those of
// scan.Open; for a destination mft.CodeUnknownPeer, mft.CodeBadPath,
// mft.CodeUsage, mft.CodeIDTaken.
func (b *Book) Copy(ctx context.Context, list []string, to []Destination) ([]Placed, error) {
	if err := checkCopy(list, to); err != nil {
		return nil, err
	}
	entries := make([]entry, len(to))
	for i, d := range to {
		e := &entries[i]
		if e.row, e.err = New(d.Transfer, mft.RoleSend, d.Agent, d.Overwrite, b.Now()); e.err == nil {
			e.err = CheckRemote("copy", d.Path)
		}
		if e.err == nil {
			e.row.Compare, e.err = comparing(d.Compare)
		}
		if e.err == nil {
			e.row.Compress, e.err = compressing(d.Compress)
		}
		e.row.Sources, e.row.Destination, e.row.Mirror, e.row.Preserve = list, d.Path, d.Mirror, d.Preserve
	}
	check := func() error {
		if err := source.Check(list); err != nil || !mirrored(to) {
			return err
		}
		return source.CheckDirectory(list[0])
	}
	if err := b.enter(ctx, entries, check); err != nil {
		return nil, err
	}
	placed := make([]Placed, len(to))
	for i, e := range entries {
		placed[i] = Placed{Destination: to[i], Err: e.err}
		placed[i].Transfer = e.id()
	}
	return placed, nil
}

// checkCopy refuses what is no copy, whatever the journal knows.
func checkCopy(list []string, to []Destination) error {
	if len(list) == 0 || len(to) == 0 {
		return mft.Fail(mft.CodeUsage, "copy", "", errors.New("it needs a source and a destination"))
	}
	for _, path := range list {
		if err := CheckLocal("copy", path); err != nil {
			return err
		}
	}
	if mirrored(to) && len(list) != 1 {
		return mft.Fail(mft.CodeUsage, "copy", "", errors.New("a mirror has exactly one source, a directory"))
	}
	seen := map[mft.TransferID]bool{}
	for _, d := range to {
		if seen[d.Transfer] {
			return mft.Fail(mft.CodeUsage, "copy", d.Transfer.String(), errors.New("two destinations cannot share one transfer id"))
		}
		seen[d.Transfer] = !d.Transfer.IsZero()
	}
	return nil
}

func mirrored(to []Destination) bool {
	return slices.ContainsFunc(to, func(d Destination) bool { return d.Mirror.On })
}

// Request makes a transfer that asks a peer for the file, directory or pattern
// at a path of its host. Errors: mft.CodeUnknownPeer, mft.CodeBadPath,
// mft.CodeUsage, mft.CodeIDTaken.
func (b *Book) Request(ctx context.Context, r Request) (mft.TransferID, error) {
	row, err := New(r.Transfer, mft.RoleReceive, r.Agent, r.Overwrite, b.Now())
	if err != nil {
		return mft.TransferID{}, err
	}
	if err := CheckRemote("request", r.Path); err != nil {
		return mft.TransferID{}, err
	}
	if err := CheckLocal("request", r.Into); err != nil {
		return mft.TransferID{}, err
	}
	if _, err := transfer.LandingFor(r.Into); err != nil {
		return mft.TransferID{}, err
	}
	if row.Compare, err = comparing(r.Compare); err != nil {
		return mft.TransferID{}, err
	}
	if row.Compress, err = compressing(r.Compress); err != nil {
		return mft.TransferID{}, err
	}
	row.Sources, row.Destination, row.Requested, row.Preserve = []string{r.Path}, r.Into, true, r.Preserve
	entries := []entry{{row: row}}
	if err := b.enter(ctx, entries, func() error { return nil }); err != nil {
		return mft.TransferID{}, err
	}
	return entries[0].id(), entries[0].err
}

// InTurn lets one mirror of a directory at a time through the exchange, with
// mft.CodeBusy for others. A parcel is the source as it was: one that an earlier mirror
// left behind and that arrives last would undo the later one.
func (b *Book) InTurn(ctx context.Context, t mft.Transfer) error {
	if !t.Mirror.On {
		return nil
	}
	open, err := b.Journal.Transfers(ctx, journal.Filter{Role: mft.RoleSend, Peer: t.Peer, States: []mft.State{
		mft.StateQueued, mft.StateWaiting, mft.StateRunning, mft.StateVerifying, mft.StatePaused,
	}})
	if err != nil {
		return err
	}
	for i := range open {
		if o := &open[i]; o.Mirror.On && o.Destination == t.Destination && o.ID.String() < t.ID.String() && o.Created.Compare(t.Created) <= 0 {
			return mft.Fail(mft.CodeBusy, "mirror to", t.Destination, fmt.Errorf("an earlier mirror of it has not ended: %s", o.ID))
		}
	}
	return nil
}

// A Canary is a small file of this host that goes to a directory on Agent's, and is
// removed there.
type Canary struct {
	Transfer  mft.TransferID // required
	Agent     mft.AgentName
	File, Dir string
	Compress  mft.Compress
}

// Canary makes the transfer of a canary. Errors: mft.CodeUnknownPeer and those of New.
func (b *Book) Canary(ctx context.Context, c Canary) error {
	if err := b.known(c.Agent); err != nil {
		return err
	}
	row, err := New(c.Transfer, mft.RoleSend, c.Agent, mft.OverwriteNever, b.Now())
	if err != nil {
		return err
	}
	row.Overwrite, row.Compare, row.Compress = mft.OverwriteCanary, mft.CompareNone, c.Compress
	row.Sources, row.Destination = []string{c.File}, strings.TrimSuffix(c.Dir, "/")+"/"+mft.CanaryName(c.Transfer)
	return b.write(ctx, []entry{{row: row}}, "a canary")
}

// Retry makes a new transfer like old and returns its id. Errors: those of
// Draw.
func (b *Book) Retry(ctx context.Context, old mft.Transfer) (mft.TransferID, error) {
	row, err := b.Draw(old.Role, old.Peer, old.Overwrite)
	if err != nil {
		return mft.TransferID{}, err
	}
	row.Channel, row.Sources, row.Destination, row.Requested = old.Channel, old.Sources, old.Destination, old.Requested
	row.Compare, row.Compress, row.Mirror, row.Preserve = old.Compare, old.Compress, old.Mirror, old.Preserve
	return row.ID, b.write(ctx, []entry{{row: row}}, "retry of "+old.ID.String())
}

// An entry is one transfer on its way into the book.
type entry struct {
	row   mft.Transfer
	known bool  // the journal has it from an earlier time
	err   error // why there is none
}

// fresh reports whether the entry has yet to be written.
func (e *entry) fresh() bool { return e.err == nil && !e.known }

func (e *entry) id() mft.TransferID {
	if e.err != nil {
		return mft.TransferID{}
	}
	return e.row.ID
}

// meet compares the entry with what the journal has of its id.
func (e *entry) meet(row mft.Transfer, found bool) {
	if !found {
		return
	}
	if other := Difference(row, e.row); other != "" {
		e.err = mft.Fail(mft.CodeIDTaken, "place transfer", e.row.ID.String(), errors.New("this host has a transfer of that id, and "+other))
		return
	}
	e.known = true
}

// enter writes what is new among entries. What is wrong with one of them is
// left in it, unless check finds something wrong with all that is new, and
// nothing is old.
func (b *Book) enter(ctx context.Context, entries []entry, check func() error) error {
	fresh, known := false, false
	for i := range entries {
		e := &entries[i]
		if e.err != nil {
			continue
		}
		row, found, err := b.Journal.Transfer(ctx, e.row.ID)
		if err != nil {
			return err
		}
		if e.meet(row, found); e.fresh() {
			e.err = b.known(e.row.Peer)
		}
		fresh, known = fresh || e.fresh(), known || e.known
	}
	if !fresh {
		return nil
	}
	if err := check(); err != nil {
		if !known {
			return err
		}
		for i := range entries {
			if entries[i].fresh() {
				entries[i].err = err
			}
		}
		return nil
	}
	return b.write(ctx, entries, "")
}

// write makes durable what is new among entries, and queues it. That it is new
// is asked again in the same transaction: the order may have been given twice
// at once.
func (b *Book) write(ctx context.Context, entries []entry, detail string) error {
	err := b.Journal.Update(ctx, func(tx *journal.Tx) error {
		for i := range entries {
			e := &entries[i]
			if !e.fresh() {
				continue
			}
			row, found, err := tx.Transfer(e.row.ID)
			if err != nil {
				return err
			}
			if e.meet(row, found); !e.fresh() {
				continue
			}
			if err := b.Trail.Create(tx, e.row, mft.EventPlanned, detail); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.fresh() {
			e.row.State = mft.StateQueued
			b.Queue(e.row)
		}
	}
	return nil
}

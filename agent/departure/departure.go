// Package departure has files leave the source of a channel when every destination has
// given its receipt for them: they are removed, or moved into an archive.
//
//	x := departure.New(departure.Config{…})
//	x.Clear(ctx, running) // from time to time, by one goroutine
//	err := x.Problem()
//
// Which version of a file was sent stands in the journal before the file can have been delivered
// (package journal/leaving). A file that is another now stays, and is sent again; one that
// cannot leave stays too, is tried again after a while, and is not sent again. Directories stay,
// also when nothing is left in them.
package departure

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/departure/clearing"
	"mft.dev/mft/agent/trail"
	"mft.dev/mft/journal"
	"mft.dev/mft/journal/leaving"
)

// Config is what a Departure needs; every field must be set.
type Config struct {
	Channel mft.Channel
	// Hand does it, with the rights of whose files they are.
	Hand    clearing.Hand
	Journal *journal.Journal
	Trail   *trail.Trail
	Log     *slog.Logger
	Now     func() time.Time
	// Again has a file below the source sent again if it is there.
	Again func(tx *journal.Tx, rel string) error
	// Kept notes that a file which was sent is the same, although it has another time of change.
	Kept func(tx *journal.Tx, f leaving.File, sentBy mft.TransferID) error
}

// A Departure is for one channel, and for one goroutine. One that is nil has nothing to do.
type Departure struct {
	Config
	open  bool // there may be something to do
	stuck map[mft.TransferID]stuckPortion
}

// A stuckPortion has files that could not leave.
type stuckPortion struct {
	tries int
	again time.Time
	files int
	err   error
}

// How long after something could not leave it is tried again, at first and at last.
const (
	firstPause = time.Minute
	lastPause  = time.Hour
)

// New returns the departure of a channel.
func New(c Config) *Departure {
	return &Departure{Config: c, open: true, stuck: map[mft.TransferID]stuckPortion{}}
}

// Problem returns why something that was delivered is still in the source, nil if there is no
// such thing. The code is CodeSourceLeft.
func (x *Departure) Problem() error {
	if x == nil {
		return nil
	}
	files, first := 0, stuckPortion{}
	for _, p := range x.stuck {
		if files += p.files; first.err == nil {
			first = p
		}
	}
	if files == 0 {
		return nil
	}
	return mft.Fail(mft.CodeSourceLeft, "clear the source of channel", x.Channel.Name,
		fmt.Errorf("files that were delivered and are still there: %d; they are not sent again. The first because: %w", files, first.err))
}

// Note adds the problem to what is said of a run.
func (x *Departure) Note(r mft.Reason) mft.Reason {
	if left := x.Problem(); left != nil {
		r.Detail = strings.TrimPrefix(r.Detail+"; "+left.Error(), "; ")
	}
	return r
}

// Clear has everything leave that may. While a run is under way there may be more at
// any time. Errors are those of the journal; what is in the way in the file system is a Problem.
func (x *Departure) Clear(ctx context.Context, running bool) error {
	if x == nil || !x.open && !running {
		return nil
	}
	x.open = true
	if !x.Channel.After.Moves() {
		x.open = false
		return x.Journal.Update(ctx, func(tx *journal.Tx) error { return leaving.Abandon(tx.Leaving(), x.Channel.Name) })
	}
	for ctx.Err() == nil {
		now := x.Now()
		due, err := x.Journal.Leaves(ctx, x.Channel.Name, func(id mft.TransferID) bool { return now.Before(x.stuck[id].again) })
		if err != nil {
			return err
		}
		if len(due) == 0 {
			x.open = running || len(x.stuck) > 0
			return nil
		}
		for i := range due {
			if err := x.clear(ctx, &due[i]); err != nil {
				return err
			}
		}
	}
	return ctx.Err()
}

// clear has one portion leave.
func (x *Departure) clear(ctx context.Context, p *leaving.Portion) error {
	if !p.Delivered {
		delete(x.stuck, p.ID)
		return x.Journal.Update(ctx, func(tx *journal.Tx) error { return leaving.End(tx.Leaving(), p.ID) })
	}
	told, rest, err := x.leave(ctx, p)
	switch {
	case ctx.Err() != nil: // what was done is done
	case err != nil:
		was := x.stuck[p.ID]
		pause := min(firstPause<<min(was.tries, 10), lastPause)
		x.stuck[p.ID] = stuckPortion{was.tries + 1, x.Now().Add(pause), max(len(rest), 1), err}
		if was.tries == 0 {
			x.Log.Warn("what a channel has delivered cannot leave its source", "channel", x.Channel.Name, "files", len(rest), "err", err)
		}
	default:
		delete(x.stuck, p.ID)
	}
	return x.Journal.Update(context.WithoutCancel(ctx), func(tx *journal.Tx) error { return x.write(tx, p, told, rest, err) })
}

// A story is what became of one file.
type story struct {
	path string
	fate clearing.Fate
	said string
}

// leave has the files of a portion leave. The rest are those that could not, for a reason of
// which err is the first; it is also that nothing could.
func (x *Departure) leave(ctx context.Context, p *leaving.Portion) (told []story, rest []leaving.File, err error) {
	for _, name := range p.Apart {
		told = append(told, story{name, clearing.Changed, "destinations have different versions of it"})
	}
	if len(p.Files) == 0 {
		return told, nil, nil
	}
	ends, err := x.Hand.Clear(ctx, clearing.Order{Portion: p.ID, Archive: x.Channel.After.Archive, Files: p.Files})
	for i, f := range p.Files {
		switch {
		case i >= len(ends): // err says why
			rest = append(rest, f)
		case ends[i].Fate == clearing.Stuck:
			f.CTime = ends[i].CTime
			rest, err = append(rest, f), cmp.Or(err, ends[i].Err)
		default:
			told = append(told, story{string(f.Path), ends[i].Fate, saying(ends[i])})
		}
	}
	return told, rest, err
}

// saying is what is told beside the path of a file.
func saying(end clearing.End) string {
	var said string
	switch end.Fate {
	case clearing.Archived:
		said = fmt.Sprintf("as %q", end.Where)
	case clearing.Gone:
		said = "it was gone already"
	case clearing.Changed:
		if said = "it is not the one that was sent; what is there now is sent by itself"; end.Where != "" {
			said += fmt.Sprintf(", under the name %q", end.Where)
		}
	}
	if end.Err != nil {
		said += "; " + end.Err.Error()
	}
	return said
}

// write keeps what became of a portion.
func (x *Departure) write(tx *journal.Tx, p *leaving.Portion, told []story, rest []leaving.File, why error) error {
	for _, s := range told {
		kind := mft.EventSourceRemoved
		switch s.fate {
		case clearing.Archived:
			kind = mft.EventSourceArchived
		case clearing.Changed:
			kind = mft.EventSourceLeft
			if err := x.Again(tx, s.path); err != nil {
				return err
			}
		}
		detail := fmt.Sprintf("%q", s.path)
		if s.said != "" {
			detail += ": " + s.said
		}
		for _, id := range p.Transfers {
			if err := x.Trail.Tell(tx, id, kind, "", detail); err != nil {
				return err
			}
		}
	}
	if len(rest) == 0 && why == nil {
		return leaving.End(tx.Leaving(), p.ID)
	}
	for _, f := range rest {
		if slices.ContainsFunc(p.Files, func(was leaving.File) bool { return was.Same(f) }) {
			continue
		}
		if err := x.Kept(tx, f, p.Transfers[0]); err != nil {
			return err
		}
	}
	if x.stuck[p.ID].tries == 1 {
		for _, id := range p.Transfers {
			detail := fmt.Sprintf("%d files could not leave; they are not sent again. The first because: %v", len(rest), why)
			if err := x.Trail.Tell(tx, id, mft.EventSourceLeft, mft.CodeSourceLeft, detail); err != nil {
				return err
			}
		}
	}
	return leaving.Rest(tx.Leaving(), p.ID, rest)
}

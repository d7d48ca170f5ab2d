// Package explanation tells for the files at the source of a channel what a run would decide
// about them now. It decides nothing itself: package arrival does, for runs as well.
package explanation

import (
	"context"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/arrival"
	"mft.dev/mft/trigger"
)

// An Explanation is what a run of a channel would decide now about the files at its
// source.
type Explanation struct {
	Root string
	// Counts are how many files there are for each reason, and Moving those that a run
	// would send.
	Counts map[trigger.Why]mft.Count
	Moving mft.Count
	// Files are the first of each reason.
	Files []File
}

// A File is why one moves, or does not.
type File struct {
	arrival.Explained
	// Until is when a file that arrives has stayed the same for long enough, zero if that
	// is not what it waits for.
	Until time.Time
	// Unreadable is why the content cannot be read.
	Unreadable error
}

// Of explains what becomes of the files at a source, or of the one with a path, absolute or
// below the source; most is how many are named for each reason. It says of none until when it
// waits. Errors: those of the source, CodeNotFound, and CodeUsage for a path elsewhere.
func Of(ctx context.Context, source *arrival.Watcher, path string, most int) (Explanation, error) {
	e := Explanation{Root: source.Root(), Counts: map[trigger.Why]mft.Count{}}
	rel, err := source.Within(path)
	if err != nil {
		return e, err
	}
	named := map[trigger.Why]int{}
	err = source.Explain(ctx, rel, func(f arrival.Explained) error {
		why := f.Choice.Why
		e.Counts[why] = more(e.Counts[why], f)
		if f.Choice.Moves {
			e.Moving = more(e.Moving, f)
		}
		if named[why]++; named[why] <= most {
			e.Files = append(e.Files, File{Explained: f})
		}
		return nil
	})
	if err != nil {
		return e, err
	}
	for i := range e.Files {
		if f := &e.Files[i]; f.Choice.Moves {
			f.Unreadable = source.Readable(ctx, f.Path)
		}
	}
	e.leadOut()
	return e, nil
}

// leadOut gives those links of a mirror a reason of their own of which it was found, because
// they are named, that they do not travel.
func (e *Explanation) leadOut() {
	for i := range e.Files {
		f := &e.Files[i]
		if f.Choice.Why != trigger.WhyMirror || mft.CodeOf(f.Unreadable) != mft.CodeSymlink {
			continue
		}
		f.Choice = trigger.Choice{Why: trigger.WhyLeadsOut}
		one, from, to := mft.Count{Items: 1, Bytes: f.Size}, e.Counts[trigger.WhyMirror], e.Counts[trigger.WhyLeadsOut]
		e.Counts[trigger.WhyMirror] = mft.Count{Items: from.Items - one.Items, Bytes: from.Bytes - one.Bytes}
		e.Counts[trigger.WhyLeadsOut] = mft.Count{Items: to.Items + one.Items, Bytes: to.Bytes + one.Bytes}
		e.Moving = mft.Count{Items: e.Moving.Items - one.Items, Bytes: e.Moving.Bytes - one.Bytes}
	}
}

// Moving returns how much of a source a run would send. Errors: those of the source.
func Moving(ctx context.Context, source *arrival.Watcher) (n mft.Count, err error) {
	err = source.Explain(ctx, "", func(f arrival.Explained) error {
		if f.Choice.Moves {
			n = more(n, f)
		}
		return nil
	})
	return n, err
}

func more(n mft.Count, f arrival.Explained) mft.Count {
	return mft.Count{Items: n.Items + 1, Bytes: n.Bytes + f.Size}
}

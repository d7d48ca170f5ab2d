package conduct

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
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
	Files []Explained
}

// An Explained file is why it moves, or does not.
type Explained struct {
	arrival.Explained
	// Until is when a file that arrives has stayed the same for long enough, zero if that
	// is not what it waits for.
	Until time.Time
	// Unreadable is why the content cannot be read.
	Unreadable error
}

// patienceWith is how long somebody who asks waits for a conductor that is busy.
const patienceWith = 2 * time.Second

// Explain explains what becomes of the files of a channel that begins here, or of the one
// with a path, absolute or below the source; most is how many are named for each reason.
// Errors: those of the source, CodeNotFound, and CodeUsage for a path elsewhere.
func (s *Set) Explain(ctx context.Context, channel, path string, most int) (Explanation, error) {
	x, _ := s.get(channel)
	if x == nil {
		return Explanation{}, noSuch("explain channel", channel)
	}
	e := Explanation{Root: x.Source.Root(), Counts: map[trigger.Why]mft.Count{}}
	rel, err := x.within(path)
	if err != nil {
		return e, err
	}
	named := map[trigger.Why]int{}
	err = x.Source.Explain(ctx, rel, func(f arrival.Explained) error {
		why := f.Choice.Why
		e.Counts[why] = more(e.Counts[why], f)
		if f.Choice.Moves {
			e.Moving = more(e.Moving, f)
		}
		if named[why]++; named[why] <= most {
			e.Files = append(e.Files, Explained{Explained: f})
		}
		return nil
	})
	if err != nil {
		return e, err
	}
	for i := range e.Files {
		if f := &e.Files[i]; f.Choice.Moves {
			f.Unreadable = x.Source.Readable(f.Path)
		}
	}
	if x.Arrives {
		x.inside(ctx, func() {
			for i := range e.Files {
				if f := &e.Files[i]; f.Choice.Moves {
					f.Until, _ = x.Source.Unstable(f.Path)
				}
			}
		})
	}
	return e, nil
}

// Preview returns how much a run of a channel would send now, to each destination, if the
// channel was like this. Errors: those of the source.
func (s *Set) Preview(ctx context.Context, ch mft.Channel) (n mft.Count, err error) {
	if ch.From.Agent != s.host.Self {
		return n, nil
	}
	x, err := s.conductor(ch)
	if err != nil {
		return n, err
	}
	err = x.Source.Explain(ctx, "", func(f arrival.Explained) error {
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

// within returns a path as it is below the source.
func (x *Conductor) within(path string) (string, error) {
	rel := filepath.Clean(filepath.FromSlash(path))
	if path == "" {
		return "", nil
	}
	if filepath.IsAbs(rel) {
		var err error
		if rel, err = filepath.Rel(x.Source.Root(), rel); err != nil {
			rel = ".."
		}
	}
	if rel == ".." || strings.HasPrefix(rel, ".."+string(filepath.Separator)) {
		return "", mft.Fail(mft.CodeUsage, "explain file", path, fmt.Errorf("it does not lie below the source of channel %s, %s", x.Channel.Name, x.Source.Root()))
	}
	if rel == "." {
		return "", nil
	}
	return filepath.ToSlash(rel), nil
}

// inside has the goroutine of Run call f, unless that is busy for long.
func (x *Conductor) inside(ctx context.Context, f func()) {
	ctx, cancel := context.WithTimeout(ctx, patienceWith)
	defer cancel()
	done := make(chan struct{})
	select {
	case x.calls <- func() { f(); close(done) }:
		<-done
	case <-ctx.Done():
	}
}

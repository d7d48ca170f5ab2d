package arrival

import (
	"cmp"
	"container/heap"
	"context"

	"mft.dev/mft/agent/lookout"
	"mft.dev/mft/internal/confine"
	"mft.dev/mft/trigger"
)

// A rank is what the files of a source are ordered by: when they were modified, and those of one
// moment by their paths.
type rank struct {
	mtime int64
	path  string
}

func rankOf(p string, id *confine.Identity) rank { return rank{id.MTime, p} }

func (r rank) compare(o rank) int {
	return cmp.Or(cmp.Compare(r.mtime, o.mtime), cmp.Compare(r.path, o.path))
}

// ranks is a heap with the oldest at its top.
type ranks []rank

func (r ranks) Len() int           { return len(r) }
func (r ranks) Less(i, j int) bool { return r[i].compare(r[j]) < 0 }
func (r ranks) Swap(i, j int)      { r[i], r[j] = r[j], r[i] }
func (r *ranks) Push(x any)        { *r = append(*r, x.(rank)) }
func (r *ranks) Pop() any {
	last := len(*r) - 1
	x := (*r)[last]
	*r = (*r)[:last]
	return x
}

// oldest returns the oldest of the files that move, where only so many of those that are
// selected do, and the zero rank, before which there is none, where all do.
func (w *Watcher) oldest(ctx context.Context) (rank, error) {
	most := w.Channel.Select.Latest
	if most == 0 {
		return rank{}, nil
	}
	var latest ranks
	err := w.At.Look(ctx, lookout.Search{Paths: []string{""}, Deep: true}, func(p string, id confine.Identity, err error) error {
		if err != nil || !w.selects(p, &id, rank{}).Moves {
			return nil // who looks at it says why
		}
		if r := rankOf(p, &id); len(latest) < most {
			heap.Push(&latest, r)
		} else if r.compare(latest[0]) > 0 {
			latest[0] = r
			heap.Fix(&latest, 0)
		}
		return nil
	})
	if err != nil || len(latest) < most {
		return rank{}, err
	}
	return latest[0], nil
}

// selects decides about a file whatever was sent before. Files before the oldest do not
// move.
func (w *Watcher) selects(p string, id *confine.Identity, oldest rank) trigger.Choice {
	link := w.Channel.Mirror.On && id.IsSymlink()
	if choice := w.source.Choose(p, link || id.IsRegular()); !choice.Moves {
		return choice
	}
	if link {
		return w.source.Link()
	}
	choice := w.source.Fits(p, id.Size, id.MTime, w.Now())
	if choice.Moves && oldest != (rank{}) && rankOf(p, id).compare(oldest) < 0 {
		return trigger.Choice{Why: trigger.WhyNotLatest}
	}
	return choice
}

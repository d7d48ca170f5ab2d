package foreman

import (
	"context"
	"errors"
	"fmt"

	"mft.dev/mft"
	"mft.dev/mft/agent/departure/clearing"
	"mft.dev/mft/agent/worker/errand"
	"mft.dev/mft/internal/confine"
)

// maxTaken is how many files a worker may say that it has read: far more than a transfer
// of a channel has.
const maxTaken = 1 << 20

// taking returns what hears of the files that a worker has read, nil if nobody wants to know.
func taking(took func(rel string, id confine.Identity)) func(errand.Found) error {
	if took == nil {
		return nil
	}
	left := maxTaken
	return func(f errand.Found) error {
		if left--; left < 0 || f.Failure != nil {
			return errNotHere
		}
		took(f.Path, f.Identity())
		return nil
	}
}

// How many files are ordered to leave at once, and how long their paths may be together.
const (
	clearAtOnce = 1000
	clearPaths  = 1 << 20
)

// Clear is that of clearing.Hand.
func (r *remote) Clear(ctx context.Context, o clearing.Order) (ends []clearing.End, err error) {
	for rest := o.Files; len(rest) > 0 && err == nil; {
		n, size := 0, 0
		for n < len(rest) && n < clearAtOnce && (n == 0 || size < clearPaths) {
			size += len(rest[n].Path)
			n++
		}
		var some []clearing.End
		some, err = r.clear(ctx, clearing.Order{Portion: o.Portion, Archive: o.Archive, Files: rest[:n]})
		ends, rest = append(ends, some...), rest[n:]
	}
	return ends, err
}

// clear gives an order, which may be given again: one that a worker took along when it ended
// is given to the next.
func (r *remote) clear(ctx context.Context, o clearing.Order) ([]clearing.End, error) {
	for n := 1; ; n++ {
		done, err := r.f.have(ctx, r.r, quiet(o.Portion), errand.Order{
			Task: errand.TaskClear, Transfer: o.Portion, Source: &errand.Source{Root: r.root}, Clear: &o,
		})
		if mft.CodeOf(err) != mft.CodeWorker || ctx.Err() != nil || n == tries {
			return endsOf(done, err, len(o.Files))
		}
	}
}

// endsOf is what a worker tells of n files.
func endsOf(done errand.Done, err error, n int) (out []clearing.End, _ error) {
	if len(done.Ends) > n || err == nil && len(done.Ends) < n {
		return nil, mft.Fail(mft.CodeInternal, "hear what has left", "", fmt.Errorf("%d files were to leave, and the worker tells of %d", n, len(done.Ends)))
	}
	for _, e := range done.Ends {
		end := clearing.End{Fate: clearing.Fate(e.Fate), Where: e.Where, Err: e.Failure.Err(), CTime: e.CTime}
		if end.Fate < clearing.Removed || end.Fate > clearing.Stuck || len(end.Where) > maxPath {
			return nil, mft.Fail(mft.CodeInternal, "hear what has left", "", errors.New("what the worker tells makes no sense"))
		}
		if end.Fate == clearing.Stuck && end.Err == nil {
			end.Err = mft.Fail(mft.CodeInternal, "have a file leave", "", errors.New("the worker does not say why it could not"))
		}
		out = append(out, end)
	}
	return out, err
}

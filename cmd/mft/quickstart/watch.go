package quickstart

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"mft.dev/mft"
	"mft.dev/mft/agent/localapi"
	"mft.dev/mft/cmd/mft/progress"
)

// errEnough ends the streams of events once there is nothing to wait for.
var errEnough = errors.New("enough")

// watch tells what happens from the position on, until ctx ends or, with
// Once, a file was checked or failed.
func (s *show) watch(ctx context.Context, from position) error {
	if s.Once {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, patience)
		defer cancel()
	}
	line := newTimeline()
	outer := ctx
	g, ctx := errgroup.WithContext(ctx)
	events := make(chan localapi.Event)
	for _, source := range []struct {
		host  *host
		after int64
	}{{s.alpha, from.alpha}, {s.beta, from.beta}} {
		g.Go(func() error {
			return source.host.client.Events(ctx, source.after, true, func(e localapi.Event) error {
				select {
				case events <- e:
					return nil
				case <-ctx.Done():
					return ctx.Err()
				}
			})
		})
	}
	g.Go(func() error { return s.tell(ctx, line, events) })
	err := g.Wait()
	if errors.Is(err, errEnough) {
		return nil
	}
	if errors.Is(outer.Err(), context.DeadlineExceeded) {
		return mft.Fail(mft.CodeTimeout, "deliver the sample to", s.inbox(),
			fmt.Errorf("it did not arrive within %s; the last that was heard: %s", patience, line.last))
	}
	return err
}

// tell prints the timeline, and checks what was delivered.
func (s *show) tell(ctx context.Context, line *timeline, events <-chan localapi.Event) error {
	tick := time.NewTicker(settle / 3)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case e := <-events:
			line.add(e, time.Now())
		case now := <-tick.C:
			for _, e := range line.due(now) {
				text := line.line(e)
				if text == "" {
					continue
				}
				s.say("%s", text)
				if err := s.conclude(ctx, line, e); err != nil {
					return err
				}
			}
		}
	}
}

// conclude checks a delivery. With Once it returns errEnough after a good one,
// and the reason after any other end.
func (s *show) conclude(ctx context.Context, line *timeline, e localapi.Event) error {
	var err error
	verified := 0
	switch e.Kind {
	case mft.EventDelivered:
		verified, err = s.check(line.tracks[*e.Transfer], e)
	case mft.EventRejected, mft.EventFailed, mft.EventCancelled:
		err = mft.Fail(e.Code, "deliver to", s.inbox(), errors.New(e.Detail))
		if detail, derr := s.alpha.client.Transfer(ctx, *e.Transfer); derr == nil && detail.Transfer.Reason != nil {
			err = detail.Transfer.Reason.Err()
		}
	default:
		return nil
	}
	line.end(*e.Transfer)
	switch {
	case err != nil && s.Once:
		return err
	case err != nil:
		s.say("  %v\n  remedy: %s\n", err, mft.CodeOf(err).Remedy())
	case s.Once && verified > 0:
		return errEnough
	}
	return nil
}

// check reads each file at both ends and compares their hashes: nothing that
// the agents said is believed. It returns how many it could compare; of a
// transfer by command it knows no files.
func (s *show) check(tr *track, e localapi.Event) (verified int, err error) {
	for _, file := range tr.files {
		from, to := filepath.Join(s.outbox(), filepath.FromSlash(file)), filepath.Join(s.inbox(), filepath.FromSlash(file))
		there, size, err := sha256Of(to)
		if errors.Is(err, os.ErrNotExist) {
			s.say("           %s was taken away from the inbox already", progress.Plain(file))
			continue
		}
		if err != nil {
			return verified, err
		}
		here, _, err := sha256Of(from)
		if err != nil || here != there {
			if changedSince(from, tr.began) {
				s.say("           %s changed again meanwhile, it will follow", progress.Plain(file))
				continue
			}
			return verified, errors.Join(err, mft.Fail(mft.CodeCorrupt, "compare", to, fmt.Errorf("its SHA-256 is %s, that of the source %s", there, here)))
		}
		verified++
		if len(tr.files) <= 5 {
			s.say("           %s, %s, SHA-256 %.16s… at both ends", progress.Plain(to), progress.Bytes(size), there)
		}
	}
	if verified > 0 {
		what := "1 file"
		if verified > 1 {
			what = fmt.Sprintf("%d files", verified)
		}
		s.say("           %s verified, %.2f s after detection", what, e.Time.Sub(tr.began).Seconds())
	}
	return verified, nil
}

// changedSince says whether a file was written to or removed after at.
func changedSince(path string, at time.Time) bool {
	info, err := os.Stat(path)
	return errors.Is(err, os.ErrNotExist) || (err == nil && info.ModTime().After(at))
}

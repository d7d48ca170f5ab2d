package localapi

import (
	"context"
	"errors"
	"net/http"
	"reflect"
	"strconv"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/localapi/route"
)

// A line of a stream; exactly one field is set.
type line struct {
	Transfer *Transfer `json:"transfer,omitempty"`
	Event    *Event    `json:"event,omitempty"`
}

const (
	// tellEvery is how often a transfer that merely progresses is told of. A
	// change of state, which makes an event, is told at once, but watchPause
	// is between two looks.
	tellEvery  = 250 * time.Millisecond
	watchPause = 5 * time.Millisecond
)

// watch streams transfers as they change until all have ended.
func (s *server) watch(r *http.Request) (func(context.Context, *route.Lines) error, error) {
	var ids []mft.TransferID
	for _, text := range r.URL.Query()["id"] {
		id, err := mft.ParseTransferID(text)
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return func(ctx context.Context, out *route.Lines) error { return s.watchAll(ctx, out, ids) }, nil
}

// told is what the watcher of a transfer knows.
type told struct {
	transfer Transfer
	at       time.Time
}

func (s *server) watchAll(ctx context.Context, out *route.Lines, ids []mft.TransferID) error {
	known := map[mft.TransferID]told{}
	for {
		open, newest := 0, s.agent.NewestEvent()
		for _, id := range ids {
			last, again := known[id]
			if again && last.transfer.State.Terminal() {
				continue
			}
			row, _, err := s.agent.Transfer(ctx, id)
			if err != nil {
				return err
			}
			t, now := transferOf(row), time.Now()
			if !t.State.Terminal() {
				open++
			}
			if again && t.State == last.transfer.State && (now.Sub(last.at) < tellEvery || reflect.DeepEqual(t, last.transfer)) {
				continue
			}
			known[id] = told{t, now}
			if err := out.Send(line{Transfer: &t}); err != nil {
				return err
			}
		}
		if err := out.Flush(); err != nil || open == 0 {
			return err
		}
		if !s.awaitChange(ctx, newest) {
			return stopping(ctx)
		}
	}
}

// awaitChange returns when there is reason to look at transfers again, and
// reports whether ctx still lives.
func (s *server) awaitChange(ctx context.Context, newest int64) bool {
	pause := time.NewTimer(watchPause)
	defer pause.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-pause.C:
	}
	// For what it waits, or whether in vain, the next look tells.
	wait, cancel := context.WithTimeout(ctx, tellEvery)
	defer cancel()
	_ = s.agent.AwaitEvents(wait, newest)
	return ctx.Err() == nil
}

// stopping tells the reader of a stream that the agent ends it.
func stopping(ctx context.Context) error {
	return mft.Fail(mft.CodeMaintenance, "watch", "", context.Cause(ctx))
}

// eventsAtOnce is how many events are read at a time.
const eventsAtOnce = 500

// events streams the journal from a sequence number on.
func (s *server) events(r *http.Request) (func(context.Context, *route.Lines) error, error) {
	q := r.URL.Query()
	after, err := strconv.ParseInt(q.Get("after"), 10, 64)
	if err != nil || after < 0 {
		return nil, mft.Fail(mft.CodeUsage, "follow events", q.Get("after"), errors.New("it is the number of an event, or 0"))
	}
	follow, err := strconv.ParseBool(q.Get("follow"))
	if err != nil {
		return nil, mft.Fail(mft.CodeUsage, "follow events", q.Get("follow"), errors.New("follow is true or false"))
	}
	return func(ctx context.Context, out *route.Lines) error { return s.tellEvents(ctx, out, after, follow) }, nil
}

func (s *server) tellEvents(ctx context.Context, out *route.Lines, after int64, follow bool) error {
	for {
		list, err := s.agent.Events(ctx, after, eventsAtOnce)
		if err != nil {
			return err
		}
		for _, e := range list {
			l := eventOf(e)
			if err := out.Send(line{Event: &l}); err != nil {
				return err
			}
			after = e.Seq
		}
		if err := out.Flush(); err != nil {
			return err
		}
		if len(list) > 0 {
			continue
		}
		if !follow {
			return nil
		}
		if err := s.agent.AwaitEvents(ctx, after); err != nil {
			if ctx.Err() != nil {
				return stopping(ctx)
			}
			return err
		}
	}
}

package localapi

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http/httptrace"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/order"
)

// NewID makes the id of a transfer that is to be ordered.
func NewID() (mft.TransferID, error) { return order.NewID() }

// Copy makes one transfer for every destination, in the order given. What is
// wrong with one destination is in its Placed.Err; an error is returned when
// nothing could be asked for at all. Transfers that are returned survive a
// crash of the agent.
//
// An agent that goes away before it answers, and comes back within seconds, is
// given the order again; because of the ids it is still one order. If the
// agent does not come back, or ctx ends before, the error is
// mft.CodeNoAnswer and names the ids: the agent may have taken the order.
func (c *Client) Copy(ctx context.Context, o CopyOrder) ([]Placed, error) {
	o.Destinations = slices.Clone(o.Destinations)
	var ids []mft.TransferID
	for i := range o.Destinations {
		d := &o.Destinations[i]
		if err := identify(&d.Transfer); err != nil {
			return nil, err
		}
		ids = append(ids, d.Transfer)
	}
	var out []Placed
	err := c.place(ctx, "/v1/copy", o, &out, ids)
	return out, err
}

// Request asks a peer for files and returns the id of the transfer. What is
// said of an agent that goes away at Copy holds here.
func (c *Client) Request(ctx context.Context, o RequestOrder) (mft.TransferID, error) {
	if err := identify(&o.Transfer); err != nil {
		return mft.TransferID{}, err
	}
	var out requested
	err := c.place(ctx, "/v1/request", o, &out, []mft.TransferID{o.Transfer})
	return out.Transfer, err
}

type requested struct {
	Transfer mft.TransferID `json:"transfer"`
}

// identify makes an id where there is none.
func identify(id *mft.TransferID) (err error) {
	if id.IsZero() {
		*id, err = NewID()
	}
	return err
}

// A repetition says for how long an order is repeated to an agent that went
// away, and how long that is left alone in between.
type repetition struct{ most, pause time.Duration }

// An agent that is kept running by a service manager is back within seconds.
const (
	repeatFor   = 15 * time.Second
	repeatPause = 200 * time.Millisecond
)

// place gives an order that makes the transfers ids, again if the answer is
// lost.
func (c *Client) place(ctx context.Context, path string, o, out any, ids []mft.TransferID) error {
	var reached atomic.Bool
	err := c.Call(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { reached.Store(true) },
	}), "POST", path, o, out)
	if !reached.Load() {
		return err
	}
	pause := time.NewTicker(c.repeat.pause)
	defer pause.Stop()
	end := time.NewTimer(c.repeat.most)
	defer end.Stop()
	for !answered(err) {
		select {
		case <-ctx.Done():
			return unanswered(fmt.Errorf("%w before the agent answered; it may have taken %s", ctx.Err(), named(ids)))
		case <-end.C:
			return unanswered(fmt.Errorf("the agent went away before it answered, and has not come back; it may have taken %s", named(ids)))
		case <-pause.C:
			err = c.Call(ctx, "POST", path, o, out)
		}
	}
	switch mft.CodeOf(err) {
	case mft.CodeJournal, mft.CodeNoSpace: // see journal.Journal.Update
		return fmt.Errorf("placing %s, which may yet come to be: %w", named(ids), err)
	}
	return err
}

// answered reports whether err, or its absence, is what the agent has to say
// to an order that has reached it.
func answered(err error) bool {
	switch mft.CodeOf(err) {
	case mft.CodeDisconnected, mft.CodeNotRunning, mft.CodeMaintenance:
		return false
	}
	// A socket that is being made anew is closed to most for a moment. What the
	// agent itself says of permissions is not fs.ErrPermission.
	return !errors.Is(err, fs.ErrPermission) && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded)
}

// unanswered says that nobody knows whether an order was taken.
func unanswered(why error) error { return mft.Fail(mft.CodeNoAnswer, "place order", "", why) }

func named(ids []mft.TransferID) string {
	var list []string
	for _, id := range ids {
		list = append(list, id.String())
	}
	if len(list) > 1 {
		return "transfers " + strings.Join(list, ", ")
	}
	return "transfer " + strings.Join(list, "")
}

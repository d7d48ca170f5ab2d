package worker

import (
	"context"
	"sync"

	"mft.dev/mft/agent/departure/clearing"
	"mft.dev/mft/agent/worker/errand"
	"mft.dev/mft/internal/confine"
)

// A reading is what a transfer has read of a source that it leaves: the agent has to know
// that before the peer can have all of it.
type reading struct {
	port *errand.Port

	mu    sync.Mutex // guards found
	found []errand.Found
}

// took is the Took of sender.Outgoing.
func (r *reading) took(rel string, id confine.Identity) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.found = append(r.found, errand.FoundOf(rel, id, nil))
}

// tell tells the agent all of it.
func (r *reading) tell(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(r.found) > 0 {
		n := min(len(r.found), errand.PageSize)
		if _, err := r.port.Ask(ctx, errand.KindFound, errand.PageOf(r.found[:n]), nil); err != nil {
			return err
		}
		r.found = r.found[n:]
	}
	return nil
}

// clear has files leave a source.
func (d *doing) clear(ctx context.Context, root string, o clearing.Order) (done errand.Done, err error) {
	if err := d.seat.mayWrite(root); err != nil {
		return done, err
	}
	if o.Archive != "" {
		if err := d.seat.mayWrite(o.Archive); err != nil {
			return done, err
		}
	}
	ends, err := clearing.Do(ctx, root, o)
	for _, e := range ends {
		done.Ends = append(done.Ends, errand.End{Fate: uint8(e.Fate), Where: e.Where, Failure: errand.FailureOf(e.Err), CTime: e.CTime})
	}
	return done, err
}

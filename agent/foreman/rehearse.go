package foreman

import (
	"context"

	"mft.dev/mft"
	"mft.dev/mft/agent/rehearsal/scene"
	"mft.dev/mft/agent/source"
	"mft.dev/mft/agent/worker/errand"
	"mft.dev/mft/protocol"
	"mft.dev/mft/protocol/rehearsal"
)

// Scene is scene.At for what a peer may write below root; wire is the wire form of q. Errors
// are also those of a worker.
func (f *Foreman) Scene(ctx context.Context, peer mft.AgentName, root, top string, q *rehearsal.Question, wire []byte) ([]rehearsal.Answer, error) {
	r, ok := f.files(peer, root)
	if !ok {
		return scene.At(ctx, root, top, q)
	}
	done, err := f.have(ctx, r, quiet(mft.TransferID{}), errand.Order{
		Task: errand.TaskScene, Scene: &errand.Scene{Root: root, Top: top, Question: wire},
	})
	if err != nil {
		return nil, err
	}
	return rehearsal.ParseAnswers(done.Answers, q.Portions)
}

// Whole is that of lookout.Lookout.
func (r *remote) Whole(ctx context.Context, channel string, m mft.Mirror, p source.Place, visit func(scene.Thing) error) error {
	d := quiet(mft.TransferID{})
	var stop error
	d.thing = func(t errand.Thing) error {
		if stop == nil {
			stop = visit(scene.Thing{Item: t.Item, Stays: t.Stays, Err: t.Failure.Err()})
		}
		return stop
	}
	err := r.have(ctx, d, errand.TaskWhole, &errand.Source{Channel: channel, Mirror: m, Select: p.Select, Guard: p.Guard})
	if stop != nil {
		return stop
	}
	return err
}

// rehearses hears of some of what a mirror would send.
func (d *desk) rehearses(s *errand.Said) error {
	var page errand.Things
	if err := s.Parse(&page); err != nil {
		return err
	}
	if d.thing == nil || len(page.Things) > errand.PageSize {
		return errNotHere
	}
	d.finding.Lock()
	defer d.finding.Unlock()
	for i := range page.Things {
		t := &page.Things[i]
		check := protocol.CheckItem
		if t.Stays || t.Failure != nil { // only its path counts
			check = func(it *mft.Item) error { return protocol.CheckPath(it.Path) }
		}
		if err := check(&t.Item); err != nil {
			return err
		}
		if err := d.thing(*t); err != nil {
			return err
		}
	}
	return nil
}

package worker

import (
	"context"

	"mft.dev/mft/agent/lookout"
	"mft.dev/mft/agent/rehearsal/scene"
	"mft.dev/mft/agent/source"
	"mft.dev/mft/agent/worker/errand"
	"mft.dev/mft/protocol/rehearsal"
)

// scene answers the question of a rehearsal.
func (d *doing) scene(ctx context.Context, s *errand.Scene) (done errand.Done, err error) {
	if err := d.seat.mayWrite(s.Root); err != nil {
		return done, err
	}
	q, err := rehearsal.Parse(s.Question)
	if err != nil {
		return done, err
	}
	answers, err := scene.At(ctx, s.Root, s.Top, &q)
	if err != nil {
		return done, err
	}
	done.Answers = rehearsal.AppendAnswers(nil, answers)
	return done, nil
}

// whole tells of all that a mirror would send, as fast as the agent takes it.
func (d *doing) whole(ctx context.Context, at lookout.Local, s *errand.Source) error {
	var page errand.Things
	turn := func() error {
		if len(page.Things) == 0 {
			return nil
		}
		_, err := d.port.Ask(ctx, errand.KindThings, page, nil)
		page.Things = page.Things[:0]
		return err
	}
	place := source.Place{Channel: s.Root, Select: s.Select, Guard: s.Guard}
	err := at.Whole(ctx, s.Channel, s.Mirror, place, func(t scene.Thing) error {
		page.Things = append(page.Things, errand.Thing{Item: t.Item, Stays: t.Stays, Failure: errand.FailureOf(t.Err)})
		if len(page.Things) < errand.PageSize {
			return nil
		}
		return turn()
	})
	if err != nil {
		return err
	}
	return turn()
}

package conduct

import (
	"context"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/conduct/explanation"
)

// patienceWith is how long somebody who asks waits for a conductor that is busy.
const patienceWith = 2 * time.Second

// Explain is explanation.Of for a channel that begins here, and says until when files wait to
// be stable.
func (s *Set) Explain(ctx context.Context, channel, path string, most int) (explanation.Explanation, error) {
	x, _ := s.get(channel)
	if x == nil {
		return explanation.Explanation{}, noSuch("explain channel", channel)
	}
	e, err := explanation.Of(ctx, x.Source, path, most)
	if err == nil && x.Arrives {
		x.inside(ctx, func() {
			for i := range e.Files {
				if f := &e.Files[i]; f.Choice.Moves {
					f.Until, _ = x.Source.Unstable(f.Path)
				}
			}
		})
	}
	return e, err
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
	return explanation.Moving(ctx, x.Source)
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

package quickstart

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/config"
	"mft.dev/mft/cmd/mft/depot"
	"mft.dev/mft/cmd/mft/progress"
)

// breakLink moves a file over the direct link, one while there is none, and one
// after it has come back; then it goes on as without, unless Once is set.
func (s *show) breakLink(ctx context.Context) error {
	each := *s
	each.Once = true // watch returns after each file
	addresses := [...]string{s.alpha.cfg.Agent.Listen, s.beta.cfg.Agent.Listen}
	for _, before := range []func(context.Context) error{
		func(context.Context) error { return nil },
		s.part,
		func(ctx context.Context) error { return s.rejoin(ctx, addresses) },
	} {
		if err := before(ctx); err != nil {
			return err
		}
		seen, err := s.last(ctx)
		if err != nil {
			return err
		}
		if err := s.offer(); err != nil {
			return err
		}
		if err := each.watch(ctx, seen); err != nil {
			return err
		}
	}
	if s.Once {
		return nil
	}
	seen, err := s.last(ctx)
	if err != nil {
		return err
	}
	return s.watch(ctx, seen)
}

// part takes the direct link away: both agents start again on ports of which
// the other does not know. Nothing tells them but that they fail to connect.
func (s *show) part(ctx context.Context) error {
	for _, h := range []*host{s.alpha, s.beta} {
		var err error
		if h.cfg.Agent.Listen, err = freeAddress(); err != nil {
			return err
		}
	}
	if err := s.again(ctx); err != nil {
		return err
	}
	s.say("\nthe link is gone: each agent is on a port that the other does not know")
	s.say("they still have %s", progress.Plain(filepath.Join(filepath.Dir(s.alpha.dir), "exchange")))
	for h, other := range map[*host]*host{s.alpha: s.beta, s.beta: s.alpha} {
		if p, err := h.client.Peer(ctx, other.name); err != nil || p.Link == "up" {
			return errors.Join(err, mft.Fail(mft.CodeInternal, "take the link away from", string(h.name), fmt.Errorf("its link is %q", p.Link)))
		}
	}
	return nil
}

// rejoin brings the link back: the agents start again where they were.
func (s *show) rejoin(ctx context.Context, addresses [2]string) error {
	if err := s.settled(ctx); err != nil {
		return err
	}
	s.alpha.cfg.Agent.Listen, s.beta.cfg.Agent.Listen = addresses[0], addresses[1]
	if err := s.again(ctx); err != nil {
		return err
	}
	if err := s.awaitLink(ctx); err != nil {
		return err
	}
	s.say("\nthe link is back")
	return nil
}

// settled returns once alpha has heard of everything that it sent, which takes a
// moment longer through the exchange.
func (s *show) settled(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		st, err := s.alpha.client.Status(ctx)
		open := 0
		for state, n := range st.Counts {
			if !state.Terminal() {
				open += n
			}
		}
		if err != nil || open == 0 {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// again starts both agents anew with their configurations as they are.
func (s *show) again(ctx context.Context) error {
	both := []*host{s.beta, s.alpha}
	for _, h := range both {
		if err := errors.Join(h.stop(), h.write()); err != nil {
			return err
		}
	}
	for _, h := range both {
		if err := h.start(s.Program, s.Name, s.died); err != nil {
			return err
		}
	}
	for _, h := range both {
		if err := h.await(ctx); err != nil {
			return err
		}
	}
	return nil
}

// awaitLink returns once alpha is connected to beta.
func (s *show) awaitLink(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		p, err := s.alpha.client.Peer(ctx, s.beta.name)
		if err == nil && p.Link == "up" {
			return nil
		}
		select {
		case <-ctx.Done():
			return mft.Fail(mft.CodeTimeout, "wait for the link to", string(s.beta.name), errors.Join(err, ctx.Err()))
		case <-tick.C:
		}
	}
}

// setUp makes the place of an agent in its exchange, if it has one.
func setUp(ctx context.Context, cfg *config.Config) error {
	d, err := depot.Open(cfg, func(string) string { return "" })
	if err != nil || d.Exchange == nil {
		return err
	}
	defer d.Close()
	_, err = d.Setup(ctx)
	return err
}

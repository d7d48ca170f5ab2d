package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"mft.dev/mft/bench/contender/meter"
	"mft.dev/mft/bench/result"
	"mft.dev/mft/internal/rig"
)

// idle measures what an agent costs that watches and has nothing to do.
func (c *course) idle(ctx context.Context) (i *result.Idle, err error) {
	const channels = 100
	dir := filepath.Join(c.dir, "k")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	i = &result.Idle{Channels: channels}
	alpha, beta, err := watching(ctx, c.mft, dir, channels)
	defer func() {
		for _, h := range []*rig.Host{alpha, beta} {
			if h != nil {
				err = errors.Join(err, h.Stop())
			}
		}
	}()
	if err != nil {
		if ctx.Err() == nil {
			i.Why, err = err.Error(), nil
		}
		return i, err
	}
	pid := alpha.Running().PID()
	// What comes with the start is not idling.
	if err := rest(ctx, 3*time.Second); err != nil {
		return i, err
	}
	before, err := meter.Busy(pid)
	if err != nil {
		return i, err
	}
	start := time.Now()
	if err := rest(ctx, max(5*time.Second, time.Duration(40*c.scale*float64(time.Second)))); err != nil {
		return i, err
	}
	i.Seconds = time.Since(start).Seconds()
	after, err := meter.Busy(pid)
	if err != nil {
		return i, err
	}
	i.CPU = 1000 * (after - before).Seconds() / i.Seconds
	i.Resident, err = meter.Resident(pid)
	return i, err
}

// watching starts an agent with channels to another one.
func watching(ctx context.Context, mft, dir string, channels int) (alpha, beta *rig.Host, err error) {
	if beta, err = rig.New(mft, filepath.Join(dir, "beta"), "beta"); err != nil {
		return nil, nil, err
	}
	if alpha, err = rig.New(mft, filepath.Join(dir, "alpha"), "alpha"); err != nil {
		return nil, beta, err
	}
	var text strings.Builder
	text.WriteString("channels:\n")
	for n := range channels {
		name := fmt.Sprintf("channel-%03d", n)
		watched := filepath.Join(alpha.Out(), name)
		if err := os.Mkdir(watched, 0o755); err != nil {
			return alpha, beta, err
		}
		fmt.Fprintf(&text, "  - {name: %s, from: {agent: alpha, path: %s}, to: [{agent: beta, path: %s}], when: {arrival: {}}}\n",
			name, watched, filepath.Join(beta.In(), name))
	}
	if err := alpha.Configure(text.String()); err != nil {
		return alpha, beta, err
	}
	for _, h := range []*rig.Host{beta, alpha} {
		if err := h.Start(ctx); err != nil {
			return alpha, beta, err
		}
	}
	return alpha, beta, rig.Pair(ctx, alpha, beta, beta.Addr)
}

func rest(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}

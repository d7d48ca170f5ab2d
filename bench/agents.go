//go:build linux

package main

import (
	"context"
	"errors"
	"path/filepath"

	"mft.dev/mft/internal/rig"
)

// agents are two agents of one machine that trust each other.
type agents struct{ alpha, beta *rig.Host }

// startAgents builds mft and starts alpha and beta below dir.
func startAgents(ctx context.Context, dir string) (*agents, error) {
	binary, err := rig.Build(ctx, dir)
	if err != nil {
		return nil, err
	}
	a := &agents{}
	for name, h := range map[string]**rig.Host{"alpha": &a.alpha, "beta": &a.beta} {
		if *h, err = rig.New(binary, filepath.Join(dir, name), name); err != nil {
			return nil, errors.Join(err, a.stop())
		}
		if err := (*h).Start(ctx); err != nil {
			return nil, errors.Join(err, a.stop())
		}
	}
	if err := rig.Pair(ctx, a.alpha, a.beta, a.beta.Addr); err != nil {
		return nil, errors.Join(err, a.stop())
	}
	return a, nil
}

// copy is what a person types.
func (a *agents) copy(ctx context.Context, source, dest string) error {
	_, err := a.alpha.Mft(ctx, "copy", source, "--dest-agent", "beta", "--dest-path", dest)
	return err
}

func (a *agents) stop() error {
	var errs []error
	for _, h := range []*rig.Host{a.alpha, a.beta} {
		if h != nil {
			errs = append(errs, h.Stop())
		}
	}
	return errors.Join(errs...)
}

package contender

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"

	"mft.dev/mft/bench/contender/meter"
	"mft.dev/mft/internal/rig"
)

// agents are two agents that trust each other.
type agents struct{ alpha, beta *rig.Host }

// startAgents starts alpha, which sends, and beta, which receives.
func startAgents(ctx context.Context, dir, binary string, sender, receiver Place) (*agents, error) {
	a := &agents{}
	for _, end := range []struct {
		name string
		host **rig.Host
		at   Place
	}{{"alpha", &a.alpha, sender}, {"beta", &a.beta, receiver}} {
		h, err := rig.New(binary, filepath.Join(dir, end.name), end.name)
		if err != nil {
			return nil, errors.Join(err, a.stop())
		}
		*end.host = h
		if end.at.Enter != nil {
			h.Addr = net.JoinHostPort(end.at.Address, "7420")
			if err := h.Configure(""); err != nil {
				return nil, errors.Join(err, a.stop())
			}
		}
		if err := h.Launch(end.at.command(binary, "run"), syscall.SIGKILL); err != nil {
			return nil, errors.Join(err, a.stop())
		}
		if err := h.Await(ctx); err != nil {
			return nil, errors.Join(err, a.stop())
		}
	}
	if err := rig.Pair(ctx, a.alpha, a.beta, a.beta.Addr); err != nil {
		return nil, errors.Join(err, a.stop())
	}
	return a, nil
}

func (a *agents) contender() *Contender {
	return &Contender{
		Name: "mft",
		Root: a.beta.In(),
		daemons: []meter.Daemon{
			{Side: meter.Sender, PID: a.alpha.Running().PID()},
			{Side: meter.Receiver, PID: a.beta.Running().PID()},
		},
		run: func(ctx context.Context, lap *meter.Lap, t Trip) error {
			// What a person types.
			args := []string{"copy", t.Source, "--dest-agent", "beta", "--dest-path", t.Into + "/"}
			if t.Mirror {
				args = slices.Insert(args, 1, "--mirror")
			}
			cmd := exec.CommandContext(ctx, a.alpha.Binary(), args...)
			cmd.Env, cmd.Dir = a.alpha.Env(), a.alpha.Dir
			err := lap.Run(ctx, cmd)
			if ctx.Err() != nil {
				// The transfer would go on without the command, and disturb those
				// who come next.
				a.alpha.Kill()
				a.beta.Kill()
			}
			return err
		},
		Forget: func() error { return os.RemoveAll(filepath.Join(a.beta.Data(), "marks")) },
	}
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

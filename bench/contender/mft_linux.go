package contender

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"

	"mft.dev/mft/bench/contender/meter"
	"mft.dev/mft/internal/rig"
)

// Users for agents that have processes of several, which nobody needs to have made.
const (
	AgentUser = 61001 + iota
	NetworkUser
	FilesUser
)

// The names of mft as a contender: by itself, and as root, where the agents have a
// supervisor, a process for the network and one for the files that arrive, each with a
// user of its own.
const (
	mft          = "mft"
	mftWithUsers = "mft+users"
)

// agents are two agents that trust each other.
type agents struct {
	alpha, beta *rig.Host
	users       bool
}

// startAgents starts alpha, which sends, and beta, which receives.
func startAgents(ctx context.Context, dir, binary string, sender, receiver Place, users bool) (*agents, error) {
	a := &agents{users: users}
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
		sections := ""
		if end.at.Enter != nil {
			h.Addr = net.JoinHostPort(end.at.Address, "7420")
		}
		if users {
			h.Becomes, h.Exposed = strconv.Itoa(AgentUser), strconv.Itoa(NetworkUser)
			sections = fmt.Sprintf("allow: {paired: [{below: %q, run_as: {user: %d, group: %[2]d}}]}\n", h.In(), FilesUser)
		}
		if err := h.Configure(sections); err != nil {
			return nil, errors.Join(err, a.stop())
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
	name := mft
	var before func(Trip) error
	if a.users {
		name = mftWithUsers
		before = func(t Trip) error { return os.Lchown(t.Into, FilesUser, FilesUser) }
	}
	return &Contender{
		Name: name,
		Root: a.beta.In(),
		daemons: []meter.Daemon{
			{Side: meter.Sender, PID: a.alpha.Running().PID(), Tree: a.users},
			{Side: meter.Receiver, PID: a.beta.Running().PID(), Tree: a.users},
		},
		before: before,
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

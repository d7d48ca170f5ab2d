// Package upgrade has `mft update`: it fetches a release, has the agent try it,
// and puts its binary in the place of the one that is there once it has come up.
//
// The order is what makes it safe: nothing is started that was not verified, the
// agent that runs stays in memory until the new version has opened the journal
// and listens, and only then the binary is replaced, by one rename. Whoever
// pulls the plug at any moment finds a binary that works.
//
// The package refuses to go back to an older version.
package upgrade

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/handover"
	"mft.dev/mft/release"
	"mft.dev/mft/release/origin"
	"mft.dev/mft/release/place"
)

// An Updater updates one binary.
type Updater struct {
	// Version is what is installed.
	Version string
	// Place is where.
	Place *place.Place
	// From is where releases are, Keys whose word is taken for them.
	From *origin.Origin
	Keys []release.Key
	// Agent is the agent that runs the binary.
	Agent *handover.Client
	// Note tells whoever waits what is being done.
	Note func(format string, args ...any)
	Now  func() time.Time
}

// A Found is a release that was looked at.
type Found struct {
	sealed []byte
	dir    string
	choice release.Choice

	Installed string `json:"installed"`
	Version   string `json:"version"`
	// Available means that Version can be installed.
	Available bool   `json:"available"`
	From      string `json:"from"`
	SignedBy  string `json:"signed_by"`
}

// Find looks for the newest version, or for version to, and says whether it is
// for this host. Nothing is changed.
func (u *Updater) Find(ctx context.Context, to string) (*Found, error) {
	sealed, dir, err := u.From.Manifest(ctx, to)
	if err != nil {
		return nil, err
	}
	m, key, err := release.Open(sealed, u.Keys)
	if err != nil {
		return nil, fmt.Errorf("looking at the release in %s: %w", u.From, err)
	}
	f := &Found{sealed: sealed, dir: dir, Installed: u.Version, Version: m.Version, From: u.From.String(), SignedBy: string(key)}
	f.choice, err = m.Decide(release.Host{OS: runtime.GOOS, Arch: runtime.GOARCH, Version: u.Version, Now: u.Now(), To: to})
	f.Available = err == nil && !f.choice.Current
	return f, err
}

// How long things may take at most. The agent has shorter times of its own.
const (
	patience = 5 * time.Minute
	pause    = 100 * time.Millisecond
)

// Install makes f the version of this host. After an error the version that was
// there runs on, unless the error says otherwise.
func (u *Updater) Install(ctx context.Context, f *Found) error {
	unlock, err := u.Place.Lock()
	if err != nil {
		return err
	}
	defer unlock()
	state, err := u.Agent.State(ctx)
	if err != nil {
		return err
	}
	// A trial that an update has left which was interrupted: nobody else has the
	// lock.
	left := state.Trial && state.Version == f.Version
	switch {
	case left:
		u.Note("version %s is on trial already", f.Version)
	case state.Executable != u.Place.Binary:
		return mft.Fail(mft.CodeBadState, "update", u.Place.Binary, fmt.Errorf("the agent runs %s: update that one, with its own `mft update`", state.Executable))
	case f.choice.Current && state.Version == f.Version:
		return u.Place.Discard() // what an interrupted update may have left
	case f.choice.Current:
		u.Note("the binary is of version %s already, and the agent still of %s", f.Version, state.Version)
	default:
		if err := u.stage(ctx, f); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if !left {
		u.Note("the agent finishes what it does, and tries version %s", f.Version)
		if err := u.Agent.Try(ctx, handover.Order{Manifest: f.sealed, Staged: !f.choice.Current}); err != nil {
			return u.giveUp(err)
		}
	}
	if err := u.await(ctx, f, true); err != nil {
		return u.giveUp(err)
	}
	if !f.choice.Current {
		u.Note("version %s came up; it takes the place of %s", f.Version, u.Version)
		if err := u.Place.Swap(f.choice.Binary); err != nil {
			return u.giveUp(errors.Join(err, u.Agent.End(ctx, false)))
		}
	}
	if err := u.Agent.End(ctx, true); err != nil {
		return err
	}
	return u.await(ctx, f, false)
}

// giveUp removes what was staged.
func (u *Updater) giveUp(err error) error { return errors.Join(err, u.Place.Discard()) }

// stage fetches the binary, unless an interrupted update has.
func (u *Updater) stage(ctx context.Context, f *Found) error {
	if place.Verify(u.Place.Next, f.choice.Binary) == nil {
		return nil
	}
	if err := u.Place.Discard(); err != nil {
		return err
	}
	u.Note("fetching %s, %d bytes, from %s", f.choice.Binary.File, f.choice.Binary.Size, u.From)
	content, err := u.From.Open(ctx, f.dir, f.choice.Binary.File)
	if err != nil {
		return err
	}
	defer content.Close() // only read from
	return u.Place.Stage(ctx, content, f.choice.Binary)
}

// await asks again and again until the version of f is up: on trial, or for
// good. While one process takes the place of another nobody answers; as long as
// the trial is pending, what the agent says was tried is an earlier one, perhaps
// of the same version.
func (u *Updater) await(ctx context.Context, f *Found, onTrial bool) error {
	const op = "wait for version"
	again := time.NewTicker(pause)
	defer again.Stop()
	var last error
	for {
		state, err := u.Agent.State(ctx)
		switch {
		case err != nil:
			last = err
		case state.Version == f.Version && state.Ready && state.Trial == onTrial:
			return nil
		case state.Version != f.Version && state.Tried == f.Version && state.Pending == "":
			return state.Problem.Err()
		case state.Version != f.Version && !state.Trial && state.Pending == "":
			return mft.Fail(mft.CodeTrial, "try", f.Version, fmt.Errorf("the agent was started anew meanwhile, as version %s", state.Version))
		default:
			last = fmt.Errorf("version %s answers", state.Version)
		}
		select {
		case <-ctx.Done():
			if onTrial {
				return mft.Fail(mft.CodeTrial, op, f.Version, errors.Join(ctx.Err(), last))
			}
			return mft.Fail(mft.CodeTrial, op, f.Version, fmt.Errorf(
				"it came up on trial and is in its place, and does not answer now (%w); version %s is %s", last, u.Version, u.Place.Previous))
		case <-again.C:
		}
	}
}

// InstallOffline makes f the version of a host whose agent does not run: it is
// only asked which version it is.
func (u *Updater) InstallOffline(ctx context.Context, f *Found) error {
	unlock, err := u.Place.Lock()
	if err != nil {
		return err
	}
	defer unlock()
	if f.choice.Current {
		return u.Place.Discard()
	}
	if state, err := u.Agent.State(ctx); err == nil {
		return mft.Fail(mft.CodeBadState, "update without the agent", u.Place.Binary,
			fmt.Errorf("an agent of version %s runs; leave out --offline, and it tries the new version first", state.Version))
	}
	if err := u.stage(ctx, f); err != nil {
		return err
	}
	if err := says(ctx, u.Place.Next, f.Version); err != nil {
		return u.giveUp(err)
	}
	return u.Place.Swap(f.choice.Binary)
}

// says asks a binary which version it is.
func says(ctx context.Context, binary, version string) error {
	const op = "try"
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, "version")
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return mft.Fail(mft.CodeTrial, op, binary, err)
	}
	text, rerr := io.ReadAll(io.LimitReader(out, 4096))
	if err := errors.Join(rerr, cmd.Wait()); err != nil {
		return mft.Fail(mft.CodeTrial, op, binary, err)
	}
	first, _, _ := strings.Cut(string(text), "\n")
	if strings.TrimSpace(first) != "mft "+version {
		return mft.Fail(mft.CodeTrial, op, binary, fmt.Errorf("it calls itself %q and not version %s", first, version))
	}
	return nil
}

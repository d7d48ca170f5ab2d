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

// An Agent is the process that runs the binary; *handover.Client is the way to it.
type Agent interface {
	State(ctx context.Context) (handover.State, error)
	Try(ctx context.Context, o handover.Order) error
	End(ctx context.Context, accept bool) error
}

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
	Agent Agent
	// Note tells whoever waits what is being done.
	Note func(format string, args ...any)
	Now  func() time.Time

	// step is called after each thing that has an effect; tests end there. nil is
	// for production.
	step func(name string)
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

// InstallOffline makes f the version of a host whose agent does not run: it is
// only asked which version it is.
func (u *Updater) InstallOffline(ctx context.Context, f *Found) error {
	unlock, err := u.Place.Lock()
	if err != nil {
		return err
	}
	defer unlock()
	switch state, err := u.answer(ctx, u.staged()); {
	case err == nil:
		return mft.Fail(mft.CodeBadState, "update without the agent", u.Place.Binary,
			fmt.Errorf("an agent of version %s runs; leave out --offline, and it tries the new version first", state.Version))
	case mft.CodeOf(err) != mft.CodeNotRunning:
		return err // it may well run
	case f.choice.Current:
		return u.Place.Discard()
	}
	if err := u.stage(ctx, f); err != nil {
		return err
	}
	if err := says(ctx, u.Place.Next, f.Version); err != nil {
		return errors.Join(err, u.Place.Discard())
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

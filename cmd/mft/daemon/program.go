package daemon

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/config"
	"mft.dev/mft/agent/handover"
	"mft.dev/mft/release"
	"mft.dev/mft/release/place"
)

// ErrReplaced ends a process in whose place its service manager is to start
// another version.
var ErrReplaced = errors.New("another version takes over: it is for the service manager to start it")

// A Program is what there is to know of this process to start another version
// like it, or in its place.
type Program struct {
	// Path is the file that it was started from, without links; "" for a
	// process that cannot be updated.
	Path string
	// Args are the words of its command line without the first, Env is its
	// environment.
	Args, Env []string
	Errs      io.Writer
	// Managed means that a service manager starts it again when it ends with
	// ErrReplaced, and that a program cannot take the place of another in a
	// process.
	Managed bool
}

// ThisProgram describes the process that calls. Errs gets what a version on
// trial writes to its standard error.
func ThisProgram(errs io.Writer) (Program, error) {
	path, err := os.Executable()
	if err == nil {
		path, err = filepath.EvalSymlinks(path)
	}
	if err != nil {
		return Program{}, mft.Fail(mft.CodeIO, "find the program that runs", path, err)
	}
	return Program{Path: path, Args: os.Args[1:], Env: os.Environ(), Errs: errs}, nil
}

// become makes this process one of the file at Path. It returns only if that
// fails, or with ErrReplaced.
func (p Program) become() error {
	if p.Managed {
		return ErrReplaced
	}
	return p.replace()
}

// A candidate is a version that is to be tried.
type candidate struct {
	version, binary string
	signed          release.Binary
}

// examine says what an order is about, and refuses what the configuration of
// this host does not allow: the word of whoever uses the socket is not enough
// to have a program run.
func (o Options) examine(cfg *config.Config, order handover.Order) (*candidate, error) {
	if o.Program.Path == "" {
		return nil, mft.Fail(mft.CodeBadState, "update", o.Version, errors.New("this agent runs inside another program"))
	}
	m, _, err := release.Open(order.Manifest, cfg.Update.Pinned())
	if err != nil {
		return nil, err
	}
	choice, err := m.Decide(release.Host{OS: runtime.GOOS, Arch: runtime.GOARCH, Version: o.Version, Now: time.Now()})
	if err != nil {
		return nil, err
	}
	if choice.Current {
		return nil, mft.Fail(mft.CodeUnfit, "try version", choice.Version, errors.New("it is the one that runs"))
	}
	binary := o.Program.Path
	if order.Staged {
		binary = place.Of(binary).Next
	}
	if err := place.Verify(binary, choice.Binary); err != nil {
		return nil, err
	}
	return &candidate{choice.Version, binary, choice.Binary}, nil
}

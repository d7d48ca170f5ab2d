package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/config"
	"mft.dev/mft/agent/localapi"
	"mft.dev/mft/cmd/mft/argument"
	"mft.dev/mft/cmd/mft/channel"
	"mft.dev/mft/cmd/mft/follow"
	"mft.dev/mft/cmd/mft/settings"
)

// completionTime is how long somebody who presses Tab waits at most.
const completionTime = 2 * time.Second

// A shell is what a command knows of the place where it was typed.
type shell struct {
	in        io.Reader
	out, errs io.Writer
	env       func(string) string
	directory func() (string, error)
	// columns is the width of the terminal that out is, 0 when it is none.
	columns func() int

	// What the global flags said.
	configFile string
	socket     string
	json       bool
}

// config loads the configuration of this host's agent, or its defaults.
func (s *shell) config() (*config.Config, error) { return s.load(config.Load) }

func (s *shell) load(from func(path string) (*config.Config, error)) (*config.Config, error) {
	path, err := config.Find(s.configFile, s.env)
	if err != nil {
		return nil, err
	}
	if path == "" {
		return config.Default(s.env), nil
	}
	return from(path)
}

// settings is what the commands of the configuration need.
func (s *shell) settings() settings.Shell {
	return settings.Shell{
		Config: func(file string) (*config.Config, error) {
			if file != "" {
				s.configFile = file
			}
			return s.config()
		},
		Out: s.out, Errs: s.errs, JSON: func() bool { return s.json }, Print: s.print,
	}
}

// channels is what the commands about channels need.
func (s *shell) channels() channel.Shell {
	return channel.Shell{
		Client: s.client, In: s.in, Out: s.out, Errs: s.errs, JSON: func() bool { return s.json }, Print: s.print, Names: s.completeChannels(),
	}
}

// client returns the way to the running agent.
func (s *shell) client() (*localapi.Client, error) {
	socket, err := s.socketPath()
	if err != nil {
		return nil, err
	}
	return localapi.NewClient(socket), nil
}

// socketPath is where the agent listens: where the flag or the configuration
// says; else the user's own agent when there is one, else the host's.
func (s *shell) socketPath() (string, error) {
	if s.socket != "" {
		return s.absolute(s.socket)
	}
	cfg, err := s.load(config.LoadAlone)
	switch {
	case errors.Is(err, fs.ErrPermission) && s.configFile == "" && s.env("MFT_CONFIG") == "":
		// The host's file is not for this user to read; the socket may be.
		return config.SystemSocket(s.env), nil
	case err != nil:
		return "", err
	case cfg.Path == "":
		if _, err := os.Stat(cfg.Agent.Socket); errors.Is(err, fs.ErrNotExist) {
			system := config.SystemSocket(s.env)
			if _, err := os.Stat(system); err == nil {
				return system, nil
			}
		}
	}
	return cfg.Agent.Socket, nil
}

// absolute is argument.Path in the working directory.
func (s *shell) absolute(path string) (string, error) { return argument.Path(s.directory, path) }

// printf writes to standard output. A write that fails is nobody's business
// any more: the reader has gone.
func (s *shell) printf(format string, args ...any) {
	fmt.Fprintf(s.out, format, args...)
}

// note writes a sentence for people beside the data of a command.
func (s *shell) note(format string, args ...any) {
	fmt.Fprintf(s.errs, format+"\n", args...)
}

// print writes v as JSON when that was asked for, and calls text else.
func (s *shell) print(v any, text func()) error {
	if !s.json {
		text()
		return nil
	}
	e := json.NewEncoder(s.out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		return mft.Fail(mft.CodeIO, "write the answer", "", err)
	}
	return nil
}

// ask prints what a method of the client returns.
func ask[T any](ctx context.Context, s *shell, get func(*localapi.Client, context.Context) (T, error), text func(io.Writer, T)) error {
	client, err := s.client()
	if err != nil {
		return err
	}
	v, err := get(client, ctx)
	if err != nil {
		return err
	}
	return s.print(v, func() { text(s.out, v) })
}

// follow shows placed transfers until they have ended.
func (s *shell) follow(ctx context.Context, client *localapi.Client, placed []localapi.Placed) error {
	f := &follow.Follower{Out: s.out, Errs: s.errs, JSON: s.json}
	if !s.json {
		f.Columns = s.columns()
	}
	return f.Follow(ctx, client, placed)
}

package main

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"mft.dev/mft"
	"mft.dev/mft/agent/localapi"
	"mft.dev/mft/agent/pairing"
	"mft.dev/mft/cmd/mft/argument"
	"mft.dev/mft/cmd/mft/exit"
	"mft.dev/mft/cmd/mft/show"
)

func newKey(s *shell) *cobra.Command {
	return argument.Group("key", "Show or renew the keys of this agent", "", newKeyShow(s), newKeyRotate(s))
}

func newKeyShow(s *shell) *cobra.Command {
	return &cobra.Command{
		Use:   "show",
		Short: "Show the public keys by which peers know this agent",
		Long: `Show the public keys by which peers know this agent. Two agents that can never
reach each other, and so cannot use mft invite, are introduced by their
operators: each gives the other its pin over a way that both trust, and writes
that of the other into the configuration:

  peers: {NAME: {pin: "mft1:..."}}

The agent need not run; it makes its key when it starts for the first time.`,
		Args: argument.Takes(0, 0, ""),
		RunE: func(c *cobra.Command, _ []string) error {
			return ask(c.Context(), s, keysOf(s), show.Keys)
		},
	}
}

// keysOf asks the agent for its keys, and reads them where they lie when it does
// not run.
func keysOf(s *shell) func(*localapi.Client, context.Context) (localapi.Keys, error) {
	return func(client *localapi.Client, ctx context.Context) (localapi.Keys, error) {
		keys, down := client.Keys(ctx)
		if mft.CodeOf(down) != mft.CodeNotRunning || s.socket != "" {
			return keys, down // a socket may be that of another agent
		}
		cfg, err := s.config()
		if err != nil {
			return keys, errors.Join(down, err)
		}
		stored, err := pairing.Stored(cfg, time.Now())
		if mft.CodeOf(err) == mft.CodeNotFound {
			return keys, mft.Fail(mft.CodeNotRunning, "show the keys of", string(cfg.Agent.Name),
				errors.New("it has none yet: it makes them when it starts for the first time"))
		}
		keys.Name = cfg.Agent.Name
		for _, k := range stored {
			keys.Keys = append(keys.Keys, localapi.Key{Pin: string(k.Pin), Created: k.Created, Current: k.Current(), Retires: k.Expires})
		}
		return keys, err
	}
}

func newKeyRotate(s *shell) *cobra.Command {
	var overlap time.Duration
	c := &cobra.Command{
		Use:   "rotate [--overlap TIME]",
		Short: "Make a new key; the old one stays valid for an overlap",
		Long: `Make a new key. The old one vouches for it and stays valid for the overlap;
paired peers follow by themselves when they next connect. A peer that pins this
agent in its configuration needs the new pin there before the overlap ends.`,
		Example: "  mft key rotate --overlap 168h",
		Args:    argument.Takes(0, 0, ""),
		RunE: func(c *cobra.Command, _ []string) error {
			if overlap <= 0 {
				return exit.Misused("--overlap %s is not longer than nothing", overlap)
			}
			rotate := func(client *localapi.Client, ctx context.Context) (localapi.Keys, error) {
				return client.RotateKey(ctx, overlap)
			}
			return ask(c.Context(), s, rotate, show.Keys)
		},
	}
	c.Flags().DurationVar(&overlap, "overlap", 30*24*time.Hour, "how long the old key stays valid")
	return c
}

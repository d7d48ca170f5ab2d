package main

import (
	"time"

	"github.com/spf13/cobra"

	"mft.dev/mft"
	"mft.dev/mft/agent/localapi"
	"mft.dev/mft/cmd/mft/argument"
	"mft.dev/mft/cmd/mft/exit"
	"mft.dev/mft/cmd/mft/show"
)

func newChannel(s *shell) *cobra.Command {
	return argument.Group("channel", "List the channels that begin at this host, or the runs of one", "",
		newChannelList(s),
		newChannelHistory(s),
	)
}

func newChannelList(s *shell) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List channels, and what each waits for",
		Args:  argument.Takes(0, 0, ""),
		RunE: func(c *cobra.Command, _ []string) error {
			client, err := s.client()
			if err != nil {
				return err
			}
			a, err := client.Status(c.Context())
			if err != nil {
				return err
			}
			return s.print(a.Channels, func() { show.Channels(s.out, a.Channels, time.Now()) })
		},
	}
}

func newChannelHistory(s *shell) *cobra.Command {
	limit := 20
	c := &cobra.Command{
		Use:   "history NAME",
		Short: "List the runs of a channel, the newest last",
		Long: "List when runs of a channel began and ended, why, and with what outcome.\n" +
			"mft transfer list --channel NAME shows what they sent.",
		Args: argument.Takes(1, 1, "the name of a channel"),
		RunE: func(c *cobra.Command, args []string) error {
			if limit < 1 {
				return exit.Misused("--limit %d is less than 1", limit)
			}
			client, err := s.client()
			if err != nil {
				return err
			}
			events := []localapi.Event{}
			err = client.Events(c.Context(), 0, false, func(e localapi.Event) error {
				if e.Channel == args[0] && (e.Kind == mft.EventRunBegun || e.Kind == mft.EventRunEnded) {
					if events = append(events, e); len(events) > limit {
						events = events[1:]
					}
				}
				return nil
			})
			if err != nil {
				return err
			}
			return s.print(events, func() { show.Runs(s.out, events) })
		},
	}
	c.Flags().IntVar(&limit, "limit", limit, "at most `N` lines")
	return c
}

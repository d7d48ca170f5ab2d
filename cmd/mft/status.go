package main

import (
	"io"
	"time"

	"github.com/spf13/cobra"

	"mft.dev/mft/agent/localapi"
	"mft.dev/mft/cmd/mft/argument"
	"mft.dev/mft/cmd/mft/show"
)

func newStatus(s *shell) *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "Show the agent of this host, its peers and its transfers",
		Args:  argument.Takes(0, 0, ""),
		RunE: func(c *cobra.Command, _ []string) error {
			return ask(c.Context(), s, (*localapi.Client).Status, func(w io.Writer, a localapi.Status) { show.Status(w, a, time.Now()) })
		},
	}
}

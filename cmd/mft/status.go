package main

import (
	"time"

	"github.com/spf13/cobra"

	"mft.dev/mft/cmd/mft/show"
)

func newStatus(s *shell) *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "Show the agent of this host, its peers and its transfers",
		Args:  takes(0, 0, ""),
		RunE: func(c *cobra.Command, _ []string) error {
			client, err := s.client()
			if err != nil {
				return err
			}
			status, err := client.Status(c.Context())
			if err != nil {
				return err
			}
			return s.print(status, func() { show.Status(s.out, status, time.Now()) })
		},
	}
}

package main

import (
	"io"
	"strings"

	"github.com/spf13/cobra"

	"mft.dev/mft"
	"mft.dev/mft/agent/localapi"
	"mft.dev/mft/cmd/mft/argument"
	"mft.dev/mft/cmd/mft/show"
)

func newJoin(s *shell) *cobra.Command {
	var g argument.GrantFlags
	c := &cobra.Command{
		Use:   "join INVITATION [--files-into DIR] [--requests-root DIR]",
		Short: "Accept the invitation of another host",
		Long: `Accept the invitation that mft invite printed on another host. Then both agents
trust each other's keys. A dash for INVITATION reads it from standard input,
where neither the list of processes nor the history of the shell shows it.

The directories are what the host that invited may use on this one.`,
		Args: argument.Takes(1, -1, "the INVITATION that mft invite printed"),
		RunE: func(c *cobra.Command, args []string) error {
			if err := g.Absolute(s.directory); err != nil {
				return err
			}
			line := strings.Join(args, " ")
			if line == "-" {
				typed, err := io.ReadAll(io.LimitReader(s.in, 4096))
				if err != nil {
					return mft.Fail(mft.CodeIO, "read the invitation", "", err)
				}
				line = strings.TrimSpace(string(typed))
			}
			client, err := s.client()
			if err != nil {
				return err
			}
			p, err := client.Join(c.Context(), localapi.JoinOrder{Line: line, PeerGrant: granted(g)})
			if err != nil {
				return err
			}
			return s.print(p, func() {
				s.printf("paired with %s at %s\n", p.Name, show.OrDash(p.Address))
				for _, pin := range p.Pins {
					s.printf("its key is %s\n", pin)
				}
				show.May(s.out, p)
			})
		},
	}
	g.Add(c.Flags())
	completeDirectories(c, "files-into", "requests-root")
	return c
}

package main

import (
	"net"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"mft.dev/mft/agent/localapi"
	"mft.dev/mft/cmd/mft/argument"
	"mft.dev/mft/cmd/mft/exit"
	"mft.dev/mft/cmd/mft/show"
)

func newInvite(s *shell) *cobra.Command {
	var g argument.GrantFlags
	var address string
	c := &cobra.Command{
		Use:   "invite [--address HOST:PORT] [--files-into DIR] [--requests-root DIR]",
		Short: "Print the command that lets another host join this one",
		Long: `Print the command that lets another host join this one. Typed there, it makes
both agents trust each other's keys. The command holds a secret that works
once, within 15 minutes; send it in a way that only the other operator reads.

The directories are what the guest may use on this host. Without them it may do
nothing until mft peer allow says otherwise.`,
		Example: `  mft invite --files-into /srv/in
  mft invite --address files.example:7420 --files-into /srv/in --requests-root /srv/out`,
		Args: argument.Takes(0, 0, ""),
		RunE: func(c *cobra.Command, _ []string) error {
			if err := g.Absolute(s.directory); err != nil {
				return err
			}
			if _, _, err := net.SplitHostPort(address); address != "" && err != nil {
				return exit.Misused("--address %q is not HOST:PORT, such as files.example:7420", address)
			}
			client, err := s.client()
			if err != nil {
				return err
			}
			invite, err := client.Invite(c.Context(), localapi.InviteOrder{Address: address, PeerGrant: granted(g)})
			if err != nil {
				return err
			}
			return s.print(invite, func() {
				s.printf("%s\n", invite.Line)
				s.note("type this on the other host within %s; it works once", show.Ago(time.Until(invite.Expires)))
				if words := strings.Fields(invite.Line); len(words) > 2 {
					s.note("it will dial %s; if it cannot, say what it can with --address", words[2])
				}
				if g.Into == "" && g.Root == "" {
					s.note("the guest may do nothing here until you say so: mft peer allow NAME --files-into DIR")
				}
			})
		},
	}
	c.Flags().StringVar(&address, "address", "", "`HOST:PORT` at which the guest reaches this host (default: as configured)")
	g.Add(c.Flags())
	completeDirectories(c, "files-into", "requests-root")
	return c
}

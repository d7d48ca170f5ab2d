package main

import (
	"github.com/spf13/cobra"

	"mft.dev/mft"
	"mft.dev/mft/agent/localapi"
	"mft.dev/mft/cmd/mft/argument"
	"mft.dev/mft/cmd/mft/exit"
	"mft.dev/mft/cmd/mft/show"
)

func newPeer(s *shell) *cobra.Command {
	return argument.Group("peer", "List the agents that this one trusts, and what they may do here", "",
		newPeerList(s), newPeerShow(s), newPeerAllow(s), newPeerRemove(s))
}

func newPeerList(s *shell) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the known peers",
		Args:  argument.Takes(0, 0, ""),
		RunE: func(c *cobra.Command, _ []string) error {
			return ask(c.Context(), s, (*localapi.Client).Peers, show.Peers)
		},
	}
}

func newPeerShow(s *shell) *cobra.Command {
	return &cobra.Command{
		Use:               "show NAME",
		Short:             "Show one peer: keys, connection, grants",
		Args:              argument.Takes(1, 1, "the NAME of a peer"),
		ValidArgsFunction: s.completePeers(),
		RunE: func(c *cobra.Command, args []string) error {
			name, client, err := s.named(args[0])
			if err != nil {
				return err
			}
			p, err := client.Peer(c.Context(), name)
			if err != nil {
				return err
			}
			return s.print(p, func() { show.Peer(s.out, p) })
		},
	}
}

// named reads the name of a peer and finds the way to the agent.
func (s *shell) named(text string) (mft.AgentName, *localapi.Client, error) {
	name, err := mft.ParseAgentName(text)
	if err != nil {
		return "", nil, err
	}
	client, err := s.client()
	return name, client, err
}

func newPeerAllow(s *shell) *cobra.Command {
	var g argument.GrantFlags
	var nothing bool
	c := &cobra.Command{
		Use:   "allow NAME [--files-into DIR [--allow-delete]] [--requests-root DIR] [--nothing]",
		Short: "Say anew what a peer may do on this host",
		Long: `Say anew what a peer may do on this host. It takes the place of what pairing or
an earlier allow granted: what is left out is taken away. Grants that stand in
the configuration stay.`,
		Example:           "  mft peer allow ledger --files-into /srv/in --requests-root /srv/out",
		Args:              argument.Takes(1, 1, "the NAME of a peer"),
		ValidArgsFunction: s.completePeers(),
		RunE: func(c *cobra.Command, args []string) error {
			if nothing == (g.Into != "" || g.Root != "") {
				return exit.Misused("peer allow needs --files-into, --requests-root or both; or --nothing alone")
			}
			if err := g.Absolute(s.directory); err != nil {
				return err
			}
			name, client, err := s.named(args[0])
			if err != nil {
				return err
			}
			if err := client.AllowPeer(c.Context(), name, granted(g)); err != nil {
				return err
			}
			p, err := client.Peer(c.Context(), name)
			if err != nil {
				return err
			}
			return s.print(p, func() { show.May(s.out, p) })
		},
	}
	g.Add(c.Flags())
	completeDirectories(c, "files-into", "requests-root")
	c.Flags().BoolVar(&nothing, "nothing", false, "take away whatever was granted")
	return c
}

func newPeerRemove(s *shell) *cobra.Command {
	return &cobra.Command{
		Use:   "remove NAME",
		Short: "Trust a peer no longer",
		Long: `Trust a peer no longer: its connections are closed, its transfers that have not
ended fail, and its keys are not believed again until it is paired anew.`,
		Args:              argument.Takes(1, 1, "the NAME of a peer"),
		ValidArgsFunction: s.completePeers(),
		RunE: func(c *cobra.Command, args []string) error {
			name, client, err := s.named(args[0])
			if err != nil {
				return err
			}
			if err := client.RemovePeer(c.Context(), name); err != nil {
				return err
			}
			s.note("%s is trusted no longer", name)
			return nil
		},
	}
}

// granted is what the flags grant.
func granted(g argument.GrantFlags) localapi.PeerGrant {
	return localapi.PeerGrant{FilesInto: g.Into, RequestsRoot: g.Root, AllowDelete: g.Remove}
}

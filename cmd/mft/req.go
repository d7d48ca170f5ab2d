package main

import (
	"github.com/spf13/cobra"

	"mft.dev/mft"
	"mft.dev/mft/agent/config/leaf"
	"mft.dev/mft/agent/localapi"
	"mft.dev/mft/agent/localapi/opaque"
	"mft.dev/mft/cmd/mft/argument"
	"mft.dev/mft/cmd/mft/exit"
)

// A reqOrder is what the flags of mft req say.
type reqOrder struct {
	agent, path, overwrite string
	way                    argument.WayFlags
	id                     mft.TransferID
	detach                 bool
}

func newReq(s *shell) *cobra.Command {
	var o reqOrder
	c := &cobra.Command{
		Use:   "req --source-agent NAME --source-path PATH DEST",
		Short: "Ask another agent for files of its host",
		Long: `Ask another agent for a file, a directory or what a glob in the last component
of PATH matches, to land at DEST on this host. The other host decides whether
this one may have it.

With a slash at its end DEST is a directory; without one it is the new name of a
single file, unless it is a directory already.

With --id a command can be repeated and is still one order; see mft copy.`,
		Example: `  mft req --source-agent ledger --source-path /srv/out/report.csv .
  mft req --source-agent ledger --source-path '/srv/out/*.csv' /srv/in/`,
		Args: argument.Takes(1, 1, "DEST"),
		RunE: func(c *cobra.Command, args []string) error { return s.req(c, args[0], o) },
	}
	f := c.Flags()
	f.StringVar(&o.agent, "source-agent", "", "`NAME` of the agent to ask")
	f.StringVar(&o.path, "source-path", "", "`PATH` on its host, absolute")
	argument.OverwriteFlag(f, &o.overwrite)
	o.way.Add(f)
	argument.IDFlag(f, &o.id)
	f.BoolVar(&o.detach, "detach", false, "print the transfer id and return")
	argument.Spellings(f, map[string]string{"sourceAgent": "source-agent", "sourcePath": "source-path"})
	completeWith(c, "source-agent", s.completePeers())
	return c
}

func (s *shell) req(c *cobra.Command, dest string, o reqOrder) error {
	if o.agent == "" || o.path == "" {
		return exit.Misused("req needs --source-agent and --source-path")
	}
	name, err := mft.ParseAgentName(o.agent)
	if err != nil {
		return err
	}
	if err := argument.There("--source-path", o.path); err != nil {
		return err
	}
	into, err := s.absolute(dest)
	if err != nil {
		return err
	}
	overwrite, err := leaf.ParseOverwrite(o.overwrite)
	if err != nil {
		return err
	}
	client, err := s.client()
	if err != nil {
		return err
	}
	order := localapi.RequestOrder{Agent: name, Path: opaque.String(o.path), Into: opaque.String(into), Overwrite: overwrite, Transfer: o.id}
	way, err := o.way.Way()
	if err != nil {
		return err
	}
	order.Compare, order.Compress, order.Preserve = way.Compare, way.Compress, way.Preserve
	id, err := client.Request(c.Context(), order)
	if err != nil {
		return err
	}
	placed := []localapi.Placed{{Agent: name, Path: into, Transfer: id}}
	if o.detach {
		return s.detached(placed)
	}
	return s.follow(c.Context(), client, placed)
}

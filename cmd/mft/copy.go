package main

import (
	"github.com/spf13/cobra"

	"mft.dev/mft"
	"mft.dev/mft/agent/config"
	"mft.dev/mft/agent/config/leaf"
	"mft.dev/mft/agent/localapi"
	"mft.dev/mft/agent/localapi/opaque"
	"mft.dev/mft/cmd/mft/argument"
	"mft.dev/mft/cmd/mft/exit"
)

// A copyOrder is what the flags of mft copy say.
type copyOrder struct {
	agent, path, overwrite string
	way                    argument.WayFlags
	mirror                 argument.MirrorFlags
	fileName               string // azure-mft's --fileName
	list                   string // destinations file
	agentConfig            string
	id                     mft.TransferID
	detach                 bool
}

func newCopy(s *shell) *cobra.Command {
	var o copyOrder
	c := copyCommand(&o)
	c.RunE = func(c *cobra.Command, args []string) error { return s.copy(c, args, o) }
	completeWith(c, "dest-agent", s.completePeers())
	return c
}

// copyCommand is the command line of mft copy, which fills in o.
func copyCommand(o *copyOrder) *cobra.Command {
	c := &cobra.Command{
		Use:   "copy FILE|DIR|GLOB… (--dest-agent NAME --dest-path PATH | --config DESTINATIONS)",
		Short: "Send files of this host to other agents",
		Long: `Send files of this host to one agent, or to all agents in a destinations file.

PATH is where the files go on the other host. With a slash at its end it is a
directory; without one it is the new name of a single file, unless it is a
directory already. A slash at the end of DIR means what is in it.

Without --detach the command follows the transfer to its end. Ctrl-C ends the
following, not the transfer: that goes on in the agent, also over a restart.

A script that may have to repeat a command, because it was killed and does not
know whether the agent took the order, makes the transfer id beforehand, with
` + "`mft transfer id`" + `, and gives it by --id each time: the order is placed once.

A destinations file is a YAML list:

  - {agent: ledger, path: /srv/in/}
  - {agent: branch, path: /srv/in/report.csv, overwrite: false}

Here --config names that file, as it did in azure-mft. The configuration of the
agent is chosen by --agent-config or MFT_CONFIG, and by --config where
--dest-agent is given too.`,
		Example: `  mft copy report.csv --dest-agent ledger --dest-path /srv/in/
  mft copy /srv/out/ --dest-agent ledger --dest-path /srv/in/ --overwrite=false
  mft copy report.csv --config destinations.yaml --detach`,
		Args: argument.Takes(0, -1, ""),
	}
	f := c.Flags()
	f.StringVar(&o.agent, "dest-agent", "", "`NAME` of the agent to send to")
	f.StringVar(&o.path, "dest-path", "", "`PATH` on its host, absolute")
	argument.OverwriteFlag(f, &o.overwrite)
	o.way.Add(f)
	o.mirror.Add(f)
	f.StringVar(&o.list, "config", "", "destinations `FILE`, for several agents")
	f.StringVar(&o.agentConfig, "agent-config", "", "configuration `FILE` of the agent")
	argument.IDFlag(f, &o.id)
	f.BoolVar(&o.detach, "detach", false, "print the transfer ids and return")
	f.StringVar(&o.fileName, "file-name", "", "azure-mft's way to name the file")
	f.Lookup("file-name").Hidden = true
	argument.Spellings(f, map[string]string{
		"destAgent": "dest-agent", "destinationAgent": "dest-agent",
		"destPath": "dest-path", "destinationPath": "dest-path", "destinationFileName": "dest-path",
		"fileName": "file-name",
	})
	return c
}

func (s *shell) copy(c *cobra.Command, args []string, o copyOrder) error {
	order, err := s.copyOrder(args, o)
	if err != nil {
		return err
	}
	client, err := s.client()
	if err != nil {
		return err
	}
	placed, err := client.Copy(c.Context(), order)
	if err != nil {
		return err
	}
	if o.detach {
		return s.detached(placed)
	}
	return s.follow(c.Context(), client, placed)
}

// copyOrder makes of what was typed what the agent is asked for.
func (s *shell) copyOrder(args []string, o copyOrder) (localapi.CopyOrder, error) {
	var order localapi.CopyOrder
	if o.fileName != "" {
		args = append(args, o.fileName)
	}
	if len(args) == 0 {
		return order, exit.Misused("copy needs a FILE, DIR or GLOB; see `mft copy --help`")
	}
	for _, arg := range args {
		path, err := s.absolute(arg)
		if err != nil {
			return order, err
		}
		order.Sources = append(order.Sources, path)
	}
	s.configFile = o.agentConfig
	overwrite, err := leaf.ParseOverwrite(o.overwrite)
	if err != nil {
		return order, err
	}
	to := localapi.Destination{Overwrite: overwrite, Transfer: o.id}
	way, err := o.way.Way()
	if err != nil {
		return order, err
	}
	to.Compare, to.Compress, to.Preserve = way.Compare, way.Compress, way.Preserve
	mirror, err := o.mirror.Mirror()
	if err != nil {
		return order, err
	}
	to.Mirror = localapi.MirrorOf(mirror)
	if o.agent == "" && o.path == "" && o.list != "" {
		order.Destinations, err = listed(o.list, to)
		return order, err
	}
	if o.agent == "" || o.path == "" {
		return order, exit.Misused("copy needs --dest-agent and --dest-path, or a destinations file in --config")
	}
	if o.list != "" && o.agentConfig == "" {
		if _, err := config.LoadDestinations(o.list); err == nil {
			return order, exit.Misused("--config names destinations, and --dest-agent another one; give one of the two")
		}
		s.configFile = o.list
	}
	if to.Agent, err = mft.ParseAgentName(o.agent); err != nil {
		return order, err
	}
	if err := argument.There("--dest-path", o.path); err != nil {
		return order, err
	}
	to.Path = opaque.String(o.path)
	order.Destinations = []localapi.Destination{to}
	return order, nil
}

// listed returns the destinations in a file; to says what the file does not,
// and its id is zero unless there is to be only one.
func listed(file string, to localapi.Destination) ([]localapi.Destination, error) {
	list, err := config.LoadDestinations(file)
	if err != nil {
		return nil, err
	}
	if len(list) != 1 && !to.Transfer.IsZero() {
		return nil, exit.Misused("--id is for one destination, and %s has %d: give each a command and an id of its own", file, len(list))
	}
	var out []localapi.Destination
	for _, d := range list {
		one := to
		one.Agent, one.Path = d.Agent, opaque.String(d.Path)
		if d.Overwrite != "" {
			one.Overwrite = d.Overwrite
		}
		out = append(out, one)
	}
	return out, nil
}

// detached prints what has been started.
func (s *shell) detached(placed []localapi.Placed) error {
	var each []exit.Status
	for _, p := range placed {
		if p.Err != nil {
			each = append(each, exit.Refused(s.errs, p.Err.Err()))
		} else {
			each = append(each, exit.OK)
		}
	}
	if s.json {
		if err := s.print(placed, nil); err != nil {
			return err
		}
	} else {
		for _, p := range placed {
			if p.Err == nil {
				s.printf("%s\n", p.Transfer)
			}
		}
	}
	if status := exit.Together(each); status != exit.OK {
		return exit.Ended{Status: status}
	}
	return nil
}

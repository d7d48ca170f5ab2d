package main

import (
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"mft.dev/mft"
	"mft.dev/mft/agent/config"
	"mft.dev/mft/agent/localapi"
	"mft.dev/mft/cmd/mft/exit"
)

// A copyOrder is what the flags of mft copy say.
type copyOrder struct {
	agent, path, overwrite string
	fileName               string // azure-mft's --fileName
	list                   string // destinations file
	agentConfig            string
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

A destinations file is a YAML list:

  - {agent: ledger, path: /srv/in/}
  - {agent: branch, path: /srv/in/report.csv, overwrite: false}

Here --config names that file, as it did in azure-mft. The configuration of the
agent is chosen by --agent-config or MFT_CONFIG, and by --config where
--dest-agent is given too.`,
		Example: `  mft copy report.csv --dest-agent ledger --dest-path /srv/in/
  mft copy /srv/out/ --dest-agent ledger --dest-path /srv/in/ --overwrite=false
  mft copy report.csv --config destinations.yaml --detach`,
		Args: takes(0, -1, ""),
	}
	f := c.Flags()
	f.StringVar(&o.agent, "dest-agent", "", "`NAME` of the agent to send to")
	f.StringVar(&o.path, "dest-path", "", "`PATH` on its host, absolute")
	overwriteFlag(f, &o.overwrite)
	f.StringVar(&o.list, "config", "", "destinations `FILE`, for several agents")
	f.StringVar(&o.agentConfig, "agent-config", "", "configuration `FILE` of the agent")
	f.BoolVar(&o.detach, "detach", false, "print the transfer ids and return")
	f.StringVar(&o.fileName, "file-name", "", "azure-mft's way to name the file")
	f.Lookup("file-name").Hidden = true
	spellings(f, map[string]string{
		"destAgent": "dest-agent", "destinationAgent": "dest-agent",
		"destPath": "dest-path", "destinationPath": "dest-path", "destinationFileName": "dest-path",
		"fileName": "file-name",
	})
	return c
}

// overwriteFlag adds --overwrite, which takes its value also after a space.
func overwriteFlag(f *pflag.FlagSet, value *string) {
	f.StringVar(value, "overwrite", "true", "replace files that are there: `true|false|version`; version keeps the old one as NAME.~N~")
}

// spellings accepts other names for flags.
func spellings(f *pflag.FlagSet, names map[string]string) {
	f.SetNormalizeFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		if proper, ok := names[name]; ok {
			name = proper
		}
		return pflag.NormalizedName(name)
	})
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
	overwrite, err := config.ParseOverwrite(o.overwrite)
	if err != nil {
		return order, err
	}
	if o.agent == "" && o.path == "" && o.list != "" {
		list, err := config.LoadDestinations(o.list)
		for _, d := range list {
			if d.Overwrite == "" {
				d.Overwrite = overwrite
			}
			order.Destinations = append(order.Destinations, localapi.Destination(d))
		}
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
	name, err := mft.ParseAgentName(o.agent)
	if err != nil {
		return order, err
	}
	if err := absoluteThere("--dest-path", o.path); err != nil {
		return order, err
	}
	order.Destinations = []localapi.Destination{{Agent: name, Path: o.path, Overwrite: overwrite}}
	return order, nil
}

// absoluteThere refuses a path of another host that depends on a working
// directory, which the agent there does not have.
func absoluteThere(flag, path string) error {
	if config.AbsoluteSomewhere(path) {
		return nil
	}
	return exit.Misused("%s %q is not absolute; the agent there has no working directory to start from", flag, path)
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

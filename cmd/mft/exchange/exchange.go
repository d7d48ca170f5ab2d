// Package exchange has the commands that set up and check the storage through
// which agents move files that cannot reach each other.
//
// They work without the agent, and refuse to touch a letter or an object of
// anybody.
package exchange

import (
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"mft.dev/mft"
	"mft.dev/mft/agent/config"
	"mft.dev/mft/agent/config/storage"
	"mft.dev/mft/cmd/mft/argument"
	"mft.dev/mft/cmd/mft/depot"
	"mft.dev/mft/cmd/mft/exit"
	"mft.dev/mft/cmd/mft/progress"
	"mft.dev/mft/cmd/mft/show"
	storages "mft.dev/mft/exchange"
	"mft.dev/mft/exchange/azure/roles"
	"mft.dev/mft/exchange/probe"
)

// A Shell is what the commands need of the place where they are typed.
type Shell struct {
	// Config loads the configuration of this host.
	Config func() (*config.Config, error)
	Env    func(string) string
	Out    io.Writer
	// Print writes v as JSON when that was asked for, and calls text else.
	Print func(v any, text func()) error
}

// Command returns `mft exchange` with the commands below it.
func Command(s Shell) *cobra.Command {
	return argument.Group("exchange", "Set up and check the storage that agents share who cannot reach each other",
		`Set up and check the storage that agents share who cannot reach each other: a
folder, a third host whose agent is the relay, a storage account of Azure, or
the JetStream of a NATS cluster with containers there, in S3 or in Azure. The
section exchange of the configuration names it; docs/exchange.md has the whole
story.`,
		s.setup(), s.check())
}

// open opens the exchange of the configuration.
func (s Shell) open() (*depot.Depot, error) {
	cfg, err := s.Config()
	if err != nil {
		return nil, err
	}
	return depot.Open(cfg, s.Env)
}

func (s Shell) setup() *cobra.Command {
	var print, bicep bool
	var w roles.Wanted
	var peers []string
	c := &cobra.Command{
		Use:   "setup",
		Short: "Make this agent's place in the storage, or print the rights that it needs",
		Long: `Make what is missing of this agent's place in the storage: its directory in the
folder; its container and its queue in the storage account, and the container
of all agents' keys; or its streams in NATS, that of all agents' keys, and the
bucket. A relay has a place for each agent that it serves, so with one the
command only says whether it does. What is there is left as it is, so it can be
run again. Run it as the user of the agent.

With --print-roles nothing is made: the command prints, for whoever administers
the storage, the rights that this agent needs and no more. For NATS they are the
permissions of a user, for S3 a policy, for Azure commands of az or with --bicep
a module. They are for the peers of the configuration; name others, known by
pairing, with --peer.`,
		Example: `  mft exchange setup
  mft exchange setup --print-roles --peer ledger
  mft exchange setup --print-roles --resource-group files --subscription 00000000-0000-0000-0000-000000000000`,
		Args: argument.Takes(0, 0, ""),
		RunE: func(c *cobra.Command, _ []string) error {
			if print || bicep {
				return s.printRoles(w, peers, bicep)
			}
			d, err := s.open()
			if err != nil {
				return err
			}
			defer d.Close()
			steps, err := d.Setup(c.Context())
			if perr := s.Print(append([]storages.Step{}, steps...), func() { s.steps(steps) }); perr != nil {
				return perr
			}
			return err
		},
	}
	f := c.Flags()
	f.BoolVar(&print, "print-roles", false, "print the rights that this agent needs and make nothing")
	f.BoolVar(&bicep, "bicep", false, "print those of Azure as a Bicep module")
	f.StringSliceVar(&peers, "peer", nil, "`NAME` of a peer that the configuration does not have; may be repeated")
	f.StringVar(&w.ResourceGroup, "resource-group", "", "`NAME` of the resource group of the storage account")
	f.StringVar(&w.Subscription, "subscription", "", "`ID` of its subscription")
	f.StringVar(&w.Principal, "principal", "", "object `ID` of the agent's identity; left out, a place is left for it")
	return c
}

func (s Shell) steps(steps []storages.Step) {
	show.Table(s.Out, func(w io.Writer) {
		for _, one := range steps {
			fmt.Fprintf(w, "%s\t%s\n", progress.Text(one.What), progress.Text(one.Done))
		}
	})
}

// printRoles needs no credential: whoever assigns roles is another person.
func (s Shell) printRoles(w roles.Wanted, peers []string, bicep bool) error {
	cfg, err := s.Config()
	if err != nil {
		return err
	}
	account, text := (*storage.Azure)(nil), ""
	if x := cfg.Exchange; x != nil && x.Azure != nil {
		account = x.Azure
	} else if x != nil && x.NATS != nil && x.NATS.Containers != nil {
		account = x.NATS.Containers.Azure
	}
	w.Agent = cfg.Agent.Name
	w.Peers = slices.Sorted(maps.Keys(cfg.Peers))
	for _, text := range peers {
		name, err := mft.ParseAgentName(text)
		if err != nil {
			return err
		}
		w.Peers = append(w.Peers, name)
	}
	switch {
	case account == nil && (bicep || cfg.Exchange == nil || cfg.Exchange.NATS == nil):
		return exit.Misused("role assignments are for an exchange in Azure, other rights for one in NATS, and the configuration names none")
	case cfg.Exchange.NATS != nil && !bicep:
		if text, err = depot.Rights(cfg.Exchange.NATS, w.Agent, w.Peers); err != nil {
			return err
		}
	}
	if account != nil {
		w.Account, w.ContainersOnly = string(account.Account), cfg.Exchange.NATS != nil
		more, err := rolesIn(w, bicep)
		if err != nil {
			return err
		}
		text += more
	}
	return s.Print(map[string]string{"roles": text}, func() { fmt.Fprint(s.Out, text) })
}

func rolesIn(w roles.Wanted, bicep bool) (string, error) {
	if bicep {
		return w.Bicep()
	}
	return w.Commands()
}

func (s Shell) check() *cobra.Command {
	return &cobra.Command{
		Use:   "check [PEER]",
		Short: "Try every right that this agent needs in the storage",
		Long: `Try every right that this agent needs in the storage; with a PEER, also what it
must be able to do with what is the peer's and, but for a folder, what it must
not. What the check makes it removes again; it touches no letter and no object
of anybody.
The exit status is 1 if anything is not as it must be.`,
		Example: `  mft exchange check
  mft exchange check ledger`,
		Args: argument.Takes(0, 1, "the name of one PEER"),
		RunE: func(c *cobra.Command, args []string) error {
			var peer mft.AgentName
			if len(args) == 1 {
				var err error
				if peer, err = mft.ParseAgentName(args[0]); err != nil {
					return err
				}
			}
			d, err := s.open()
			if err != nil {
				return err
			}
			defer d.Close()
			found, err := d.Check(c.Context(), peer)
			if err != nil {
				return err
			}
			if err := s.Print(found, func() { s.findings(d, found) }); err != nil {
				return err
			}
			if slices.ContainsFunc(found, func(f probe.Finding) bool { return !f.OK }) {
				return exit.Ended{Status: exit.Failed}
			}
			return nil
		},
	}
}

func (s Shell) findings(d *depot.Depot, found []probe.Finding) {
	show.Table(s.Out, func(w io.Writer) {
		fmt.Fprintf(w, "\texchange\t%s\n", progress.Text(d.Name))
		for _, note := range d.Notes {
			fmt.Fprintf(w, "note\texchange\t%s\n", note)
		}
		for _, f := range found {
			grade := "ok"
			if !f.OK {
				grade = "bad"
			}
			fmt.Fprintf(w, "%s\t%s\t%s\n", grade, progress.Text(f.What), progress.Text(f.Says))
			if f.Remedy != "" {
				fmt.Fprintf(w, "\t\t-> %s\n", progress.Text(f.Remedy))
			}
		}
	})
}

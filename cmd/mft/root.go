package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"mft.dev/mft/cmd/mft/argument"
	"mft.dev/mft/cmd/mft/channel"
	"mft.dev/mft/cmd/mft/crew"
	"mft.dev/mft/cmd/mft/edition"
	"mft.dev/mft/cmd/mft/exchange"
	"mft.dev/mft/cmd/mft/exit"
	"mft.dev/mft/cmd/mft/publish"
	"mft.dev/mft/cmd/mft/sandbox"
	"mft.dev/mft/cmd/mft/settings"
	"mft.dev/mft/cmd/mft/unit"
	"mft.dev/mft/cmd/mft/upgrade"
)

// execute runs one command line and says how it ended.
func execute(ctx context.Context, s *shell, args []string) exit.Status {
	root := newRoot(s)
	root.SetArgs(args)
	err := argument.Execute(ctx, root)
	exit.Complain(s.errs, err)
	return exit.Of(err)
}

// newRoot puts all commands together.
func newRoot(s *shell) *cobra.Command {
	root := &cobra.Command{
		Use:   "mft",
		Short: "Managed file transfer between hosts",
		Long: `mft moves files between hosts, proves that each arrived whole and once, and
says why when one did not.

An agent runs on every host (mft run). Commands talk to the agent of the host
on which they are typed, through a local socket.`,
		Example: `  mft quickstart
  mft invite --files-into /srv/in
  mft copy report.csv --dest-agent ledger --dest-path /srv/in/`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          argument.Known,

		SuggestionsMinimumDistance: 2,
		RunE:                       func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.SetIn(s.in)
	root.SetOut(s.out)
	root.SetErr(s.errs)
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return exit.Misused("%w; see `%s --help`", err, c.CommandPath())
	})
	flags := root.PersistentFlags()
	flags.StringVar(&s.configFile, "config", "", "configuration `FILE` of the agent (default: see mft help config)")
	flags.StringVar(&s.socket, "socket", "", "`PATH` of the agent's local socket (default: as configured)")
	flags.BoolVar(&s.json, "json", false, "print data as JSON")
	root.AddCommand(
		newRun(s), newQuickstart(s),
		newCopy(s), newReq(s), newTransfer(s), channel.Command(s.channels()), newTrace(s), channel.Explain(s.channels()), channel.Test(s.channels()), channel.Groups(s.channels()),
		newInvite(s), newJoin(s), newPeer(s), newKey(s),
		exchange.Command(exchange.Shell{Config: s.config, Env: s.env, Out: s.out, Print: s.print}),
		upgrade.Command(upgrade.Shell{
			Config: s.config, Socket: s.socketPath, Version: edition.This().Version, Out: s.out, Errs: s.errs, Print: s.print,
		}),
		unit.Command(unit.Shell{Config: s.config, Client: s.client, Absolute: s.absolute, Out: s.out, Print: s.print}),
		publish.Command(publish.Shell{Out: s.out, Absolute: s.absolute, Print: s.print}),
		crew.Command(s.errs), crew.NetworkCommand(s.errs), crew.LaunchCommand(s.errs), newStatus(s), newDoctor(s), sandbox.Command(sandbox.Shell{In: s.in, Out: s.out, Print: s.print}), settings.Command(s.settings()), newVersion(s),
		newExitTopic(),
	)
	return root
}

// newExitTopic is a page of help without a command behind it.
func newExitTopic() *cobra.Command {
	var b strings.Builder
	b.WriteString("Every command ends with one of these:\n")
	for _, m := range exit.Meanings() {
		fmt.Fprintf(&b, "\n  %d  %s", m.Status, m.Text)
	}
	return &cobra.Command{Use: "exit-status", Short: "What the exit status of mft means", Long: b.String()}
}

package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"mft.dev/mft"
	"mft.dev/mft/cmd/mft/exit"
)

// execute runs one command line and says how it ended.
func execute(ctx context.Context, s *shell, args []string) exit.Status {
	root := newRoot(s)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err != nil && !errors.As(err, new(*mft.Error)) && !errors.As(err, new(exit.Ended)) && ctx.Err() == nil {
		// What has no code comes from the parser of command lines.
		first, _, _ := strings.Cut(err.Error(), "\n")
		err = exit.Misused("%s", first)
	}
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
		Args:          knownCommand,

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
		newCopy(s), newReq(s), newTransfer(s),
		newInvite(s), newJoin(s), newPeer(s), newKey(s),
		newStatus(s), newDoctor(s), newConfig(s), newVersion(s),
		newExitTopic(),
	)
	return root
}

// knownCommand refuses what is no command of mft.
func knownCommand(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	like := ""
	if near := c.SuggestionsFor(args[0]); len(near) > 0 {
		like = ", did you mean " + near[0] + "?"
	}
	return exit.Misused("%s has no command %q%s", typed(c), args[0], like)
}

// group makes a command that only holds others.
func group(use, short, long string, commands ...*cobra.Command) *cobra.Command {
	g := &cobra.Command{
		Use:                        use,
		Short:                      short,
		Long:                       long,
		Args:                       knownCommand,
		SuggestionsMinimumDistance: 2,
		RunE: func(c *cobra.Command, _ []string) error {
			var names []string
			for _, sub := range c.Commands() {
				names = append(names, sub.Name())
			}
			return exit.Misused("%s needs one of: %s", typed(c), strings.Join(names, ", "))
		},
	}
	g.AddCommand(commands...)
	return g
}

// typed is a command as it was typed after mft, whose name stands before every
// message; mft itself without one.
func typed(c *cobra.Command) string {
	return strings.TrimPrefix(c.CommandPath(), "mft ")
}

// takes refuses a wrong number of arguments in words: what are their names as
// the usage line has them.
func takes(least, most int, what string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		switch {
		case len(args) < least:
			return exit.Misused("%s needs %s; see `%s --help`", typed(c), what, c.CommandPath())
		case most >= 0 && len(args) > most && most == 0:
			return exit.Misused("%s takes no argument, but %q was given", typed(c), args[0])
		case most >= 0 && len(args) > most:
			return exit.Misused("%s takes %s and nothing else, but %q was given too", typed(c), what, args[most])
		}
		return nil
	}
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

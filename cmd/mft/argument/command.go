package argument

import (
	"strings"

	"github.com/spf13/cobra"

	"mft.dev/mft/cmd/mft/exit"
)

// Known refuses what is no command below c.
func Known(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	like := ""
	if near := c.SuggestionsFor(args[0]); len(near) > 0 {
		like = ", did you mean " + near[0] + "?"
	}
	return exit.Misused("%s has no command %q%s", Typed(c), args[0], like)
}

// Group makes a command that only holds others.
func Group(use, short, long string, commands ...*cobra.Command) *cobra.Command {
	g := &cobra.Command{
		Use:                        use,
		Short:                      short,
		Long:                       long,
		Args:                       Known,
		SuggestionsMinimumDistance: 2,
		RunE: func(c *cobra.Command, _ []string) error {
			var names []string
			for _, sub := range c.Commands() {
				names = append(names, sub.Name())
			}
			return exit.Misused("%s needs one of: %s", Typed(c), strings.Join(names, ", "))
		},
	}
	g.AddCommand(commands...)
	return g
}

// Typed is a command as it was typed after mft, whose name stands before every
// message; mft itself without one.
func Typed(c *cobra.Command) string {
	return strings.TrimPrefix(c.CommandPath(), "mft ")
}

// Takes refuses a wrong number of arguments in words: what are their names as
// the usage line has them. Most is below 0 when there is no limit.
func Takes(least, most int, what string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		switch {
		case len(args) < least:
			return exit.Misused("%s needs %s; see `%s --help`", Typed(c), what, c.CommandPath())
		case most >= 0 && len(args) > most && most == 0:
			return exit.Misused("%s takes no argument, but %q was given", Typed(c), args[0])
		case most >= 0 && len(args) > most:
			return exit.Misused("%s takes %s and nothing else, but %q was given too", Typed(c), what, args[most])
		}
		return nil
	}
}

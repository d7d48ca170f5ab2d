package argument

import (
	"context"
	"errors"
	"strings"

	"github.com/spf13/cobra"
	"mft.dev/mft"
	"mft.dev/mft/cmd/mft/exit"
)

// Execute executes the command that the arguments name. What the parser of command lines
// refuses is misuse; what comes from a command that has begun is not, whatever it says.
func Execute(ctx context.Context, root *cobra.Command) error {
	begun := false
	tellBegun(root, &begun)
	err := root.ExecuteContext(ctx)
	if err == nil || begun || errors.As(err, new(*mft.Error)) || errors.As(err, new(exit.Ended)) || ctx.Err() != nil {
		return err
	}
	first, _, _ := strings.Cut(err.Error(), "\n")
	return exit.Misused("%s", first)
}

// tellBegun has a command and those below it say when they begin.
func tellBegun(c *cobra.Command, begun *bool) {
	if run := c.RunE; run != nil {
		c.RunE = func(c *cobra.Command, args []string) error {
			*begun = true
			return run(c, args)
		}
	}
	for _, below := range c.Commands() {
		tellBegun(below, begun)
	}
}

// Package channel has the commands about channels: what each waits for, its runs, and the
// orders that an operator gives.
//
// They ask the agent of this host, and refuse to decide anything themselves.
package channel

import (
	"io"
	"time"

	"github.com/spf13/cobra"

	"mft.dev/mft/agent/conduct/orders"
	"mft.dev/mft/agent/localapi"
	"mft.dev/mft/agent/localapi/channel"
	"mft.dev/mft/cmd/mft/argument"
	"mft.dev/mft/cmd/mft/exit"
	"mft.dev/mft/cmd/mft/show"
)

// A Shell is what the commands need of the place where they are typed.
type Shell struct {
	// Client returns the way to the agent of this host.
	Client    func() (*localapi.Client, error)
	In        io.Reader
	Out, Errs io.Writer
	// Print writes v as JSON when that was asked for, which JSON tells, and calls text
	// else.
	Print func(v any, text func()) error
	JSON  func() bool
	// Names proposes names of channels to whoever presses Tab.
	Names cobra.CompletionFunc
}

// Command returns `mft channel` with the commands below it.
func Command(s Shell) *cobra.Command {
	return argument.Group("channel", "Look at the channels that begin at this host, and give orders about them", "",
		s.list(), s.show(), s.history(), s.run(), s.plan(), s.apply(),
		s.order(orders.Pause, "Let a channel move nothing until it is resumed",
			`Let a channel move nothing until it is resumed, restarts of the agent
included. A run that is under way is held: what it has delivered stays, and it
goes on where it was. What is due meanwhile makes one run afterwards.`),
		s.order(orders.Resume, "Let a paused channel go on", `Let a paused channel go on. A run that was held goes on at once.`),
		s.order(orders.Disable, "Let a channel begin no more runs until it is enabled",
			`Let a channel begin no more runs until it is enabled, restarts of the agent
included. A run that is under way goes on to its end; to stop that too, pause
the channel. What is due meanwhile is not made up for, but a trigger marker
stays and counts. A disabled channel still runs when mft channel run says so.`),
		s.order(orders.Enable, "Let a disabled channel run again", ""),
	)
}

// ask returns what an agent says.
func ask[T any](s Shell, do func(c channel.Client) (T, error)) (v T, err error) {
	client, err := s.Client()
	if err != nil {
		return v, err
	}
	return do(channel.Client{Client: client.Client})
}

const takesName = "the name of a channel"

func (s Shell) list() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List channels, and what each waits for",
		Args:  argument.Takes(0, 0, ""),
		RunE: func(c *cobra.Command, _ []string) error {
			client, err := s.Client()
			if err != nil {
				return err
			}
			a, err := client.Status(c.Context())
			if err != nil {
				return err
			}
			return s.Print(a.Channels, func() { show.Channels(s.Out, a.Channels, time.Now()) })
		},
	}
}

func (s Shell) show() *cobra.Command {
	return &cobra.Command{
		Use:   "show NAME",
		Short: "Show how a channel stands: what it waits for, its markers, its last run",
		Long: `Show how a channel stands: what makes it fire and when that is due next, what
it waits for and since when, what is expected of it and whether that is met, the
members of its server groups, its markers and whether each is there, its last
run, and the transfers that have not ended.`,
		Args:              argument.Takes(1, 1, takesName),
		ValidArgsFunction: s.Names,
		RunE: func(c *cobra.Command, args []string) error {
			v, err := ask(s, func(client channel.Client) (channel.Channel, error) { return client.Show(c.Context(), args[0]) })
			if err != nil {
				return err
			}
			return s.Print(v, func() { page(s.Out, v, time.Now()) })
		},
	}
}

func (s Shell) history() *cobra.Command {
	limit := 20
	c := &cobra.Command{
		Use:   "history NAME",
		Short: "List the runs of a channel, the newest first",
		Long: `List when runs of a channel began, why, with what outcome, and how much they
delivered. The newest 1,000 runs of each channel are kept. What one sent, file
by file, is in mft transfer list --channel NAME.`,
		Args:              argument.Takes(1, 1, takesName),
		ValidArgsFunction: s.Names,
		RunE: func(c *cobra.Command, args []string) error {
			if limit < 1 {
				return exit.Misused("--limit %d is less than 1", limit)
			}
			list, err := ask(s, func(client channel.Client) ([]channel.Run, error) {
				return client.Runs(c.Context(), args[0], limit)
			})
			if err != nil {
				return err
			}
			return s.Print(list, func() { history(s.Out, list, time.Now()) })
		},
	}
	c.Flags().IntVar(&limit, "limit", limit, "at most `N` runs")
	return c
}

// order makes the command that gives an order.
func (s Shell) order(v orders.Verb, short, long string) *cobra.Command {
	return &cobra.Command{
		Use: string(v) + " NAME", Short: short, Long: long,
		Args:              argument.Takes(1, 1, takesName),
		ValidArgsFunction: s.Names,
		RunE: func(c *cobra.Command, args []string) error {
			now, err := ask(s, func(client channel.Client) (channel.Channel, error) {
				return client.Order(c.Context(), args[0], v)
			})
			if err != nil {
				return err
			}
			return s.Print(now, func() { ordered(s.Out, v, now) })
		},
	}
}

package channel

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"mft.dev/mft"
	"mft.dev/mft/agent/localapi/channel"
	"mft.dev/mft/cmd/mft/argument"
	"mft.dev/mft/cmd/mft/exit"
	"mft.dev/mft/cmd/mft/progress"
	"mft.dev/mft/trigger/firing"
)

func (s Shell) run() *cobra.Command {
	var detach, dry bool
	most := 10
	c := &cobra.Command{
		Use:   "run NAME",
		Short: "Let a channel run now, and follow the run to its end",
		Long: `Let a channel run now, whatever else makes it fire, and follow the run to its
end. The order is written down before the command says anything, so it is
carried out even if the agent is restarted. It is carried out when nothing is
in the way: if a run is under way, when that is over; if a block marker is
there, when it is gone. The command says for what the channel waits. Orders
that are given before a run begins make one run together.

If the run fails it is repeated, as every run is, and the command ends.

With --dry-run nothing runs: the command says what a run would send, and what
a mirror would remove, as the destinations are now. The agents there have to
be reached directly, and are asked only for what the run may do.`,
		Example: `  mft channel run finance-nightly
  mft channel run finance-nightly --dry-run --most 100`,
		Args:              argument.Takes(1, 1, takesName),
		ValidArgsFunction: s.Names,
		RunE: func(c *cobra.Command, args []string) error {
			if most < 0 || most > 1000 {
				return exit.Misused("--most %d is not a number from 0 to 1000", most)
			}
			if dry {
				return s.rehearse(c.Context(), args[0], most)
			}
			client, err := s.Client()
			if err != nil {
				return err
			}
			f := &following{Shell: s, channel: args[0], detach: detach}
			return f.run(c.Context(), channel.Client{Client: client.Client})
		},
	}
	c.Flags().BoolVar(&detach, "detach", false, "end when the run has begun, or has to wait")
	c.Flags().BoolVarP(&dry, "dry-run", "n", false, "only say what a run would do")
	c.Flags().IntVar(&most, "most", most, "with --dry-run, name at most `N` of each kind")
	c.MarkFlagsMutuallyExclusive("detach", "dry-run")
	return c
}

// A following accompanies an order to run.
type following struct {
	Shell
	channel string
	detach  bool

	last  channel.Asked
	begun bool   // the run has been told of
	waits string // what for was told last
}

// enough ends the following of an order whose end nobody waits for.
var errEnough = errors.New("enough")

func (f *following) run(ctx context.Context, client channel.Client) error {
	asked, err := client.Run(ctx, f.channel)
	if err != nil {
		return err
	}
	f.last = asked
	err = client.Follow(ctx, f.channel, asked.Order, f.tell)
	switch {
	case errors.Is(err, errEnough):
		return f.result(nil)
	case ctx.Err() != nil:
		return f.leave("interrupted")
	case mft.CodeOf(err) == mft.CodeMaintenance || mft.CodeOf(err) == mft.CodeDisconnected:
		return f.leave("the agent went away")
	case err != nil:
		return err
	}
	run := f.last.Run
	if run.Outcome != string(firing.Failed) {
		return f.result(nil)
	}
	return f.result(mft.Fail(run.Code, "run "+run.ID+" of channel", f.channel, errors.New(string(run.Detail))))
}

// tell says what is new.
func (f *following) tell(a channel.Asked) error {
	f.last = a
	if a.Run != nil && !f.begun {
		f.begun = true
		fmt.Fprintf(f.Errs, "run %s of channel %s has begun\n", a.Run.ID, f.channel)
	}
	if hinders(a.Waits) && a.Waits != f.waits {
		fmt.Fprintf(f.Errs, "the order is on record; the channel waits: %s\n", a.Waits)
	}
	f.waits = a.Waits
	if f.detach && (f.begun || hinders(a.Waits)) {
		return errEnough
	}
	return nil
}

// hinders reports whether a run cannot begin at once, or go on, for a reason.
func hinders(why string) bool {
	return slices.Contains([]firing.Why{firing.WhyPaused, firing.WhyBlocked, firing.WhyUnseen, firing.WhyRunning}, firing.Why(why))
}

// result prints what came of the order, as far as that is known.
func (f *following) result(err error) error {
	if f.JSON() {
		e := json.NewEncoder(f.Out)
		if err := e.Encode(f.last); err != nil {
			return mft.Fail(mft.CodeIO, "write the answer", "", err)
		}
		return err
	}
	switch run := f.last.Run; {
	case run == nil:
	case run.Outcome == "":
		fmt.Fprintln(f.Out, run.ID)
	case err == nil:
		fmt.Fprintf(f.Out, "%s: %s, %s\n", run.ID, run.Outcome, delivered(*run))
	}
	return err
}

// leave ends the command before the run.
func (f *following) leave(why string) error {
	if err := f.result(nil); err != nil {
		return err
	}
	fmt.Fprintf(f.Errs, "mft: %s; the order is on record and is carried out all the same\n", why)
	fmt.Fprintf(f.Errs, "to see how it goes: mft channel show %s\n", f.channel)
	return exit.Ended{Status: exit.StillRunning}
}

// delivered says how much a run has delivered, and in what time.
func delivered(r channel.Run) string {
	text := fmt.Sprintf("%s, %s", progress.Items(r.Files), progress.Bytes(r.Bytes))
	if !r.Ended.IsZero() {
		text += " in " + r.Ended.Sub(r.Began).Round(resolution).String()
	}
	return text
}

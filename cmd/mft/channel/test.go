package channel

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"mft.dev/mft"
	"mft.dev/mft/agent/canary"
	"mft.dev/mft/agent/localapi/channel"
	"mft.dev/mft/cmd/mft/argument"
	"mft.dev/mft/cmd/mft/exit"
	"mft.dev/mft/cmd/mft/progress"
)

// tested is what a test has come to.
type tested struct {
	Channel string         `json:"channel"`
	OK      bool           `json:"ok"`
	Steps   []channel.Step `json:"steps"`
}

// Test returns `mft test`.
func Test(s Shell) *cobra.Command {
	patience := time.Minute
	c := &cobra.Command{
		Use:   "test CHANNEL",
		Short: "Try all that a channel needs, with a small file that is really delivered",
		Long: `Try what a channel needs when it runs, without running it: list its source as
the user that reads it, ask its guard, write a file beside each marker and
remove it again, and deliver a small file, the canary, to each destination, to
the active member of a server group, over the link and through the exchange if
there is one.

The canary has the name .mft-canary-ID.part. The receiver takes it as it takes
any file, by what it allows, as the user that it writes as, and removes it
before it signs the receipt. No run is counted, no marker changes, and neither
exits nor channels that begin there see the file. The exit status is 0 if
nothing failed, and 1 else.`,
		Example:           `  mft test finance-nightly`,
		Args:              argument.Takes(1, 1, takesName),
		ValidArgsFunction: s.Names,
		RunE: func(c *cobra.Command, args []string) error {
			if patience <= 0 || patience > time.Hour {
				return exit.Misused("--patience %v is not between 0 and 1h", patience)
			}
			client, err := s.Client()
			if err != nil {
				return err
			}
			all := tested{Channel: args[0], OK: true, Steps: []channel.Step{}}
			err = channel.Client{Client: client.Client}.Test(c.Context(), args[0], patience, func(one channel.Step) error {
				all.Steps = append(all.Steps, one)
				all.OK = all.OK && one.Outcome != canary.Failed
				if !s.JSON() {
					step(s.Out, one)
				}
				return nil
			})
			if err != nil {
				return err
			}
			if err := s.Print(all, func() { verdict(s.Out, all) }); err != nil || all.OK {
				return err
			}
			return exit.Ended{Status: exit.Failed}
		},
	}
	c.Flags().DurationVar(&patience, "patience", patience, "give a delivery up after `TIME`")
	return c
}

// step writes what became of one step.
func step(w io.Writer, s channel.Step) {
	what := s.What + " " + progress.Plain(s.Path)
	switch s.Way {
	case mft.PathDirect:
		what = fmt.Sprintf("%s to %s:%s over the link", s.What, s.Agent, progress.Plain(s.Path))
	case mft.PathRelay:
		what = fmt.Sprintf("%s to %s:%s through the exchange", s.What, s.Agent, progress.Plain(s.Path))
	case "":
		if s.Agent != "" {
			what = fmt.Sprintf("%s to %s:%s", s.What, s.Agent, progress.Plain(s.Path))
		}
	}
	if s.Outcome == canary.OK {
		fmt.Fprintf(w, "%-9s  %s, %s\n", s.Outcome, what, time.Duration(s.Took).Round(100*time.Microsecond))
		return
	}
	fmt.Fprintf(w, "%-9s  %s\n", s.Outcome, what)
	if s.Reason == nil {
		return
	}
	fmt.Fprintf(w, "           %s\n", sentence(s.Reason))
	if s.Outcome == canary.Failed && s.Reason.Remedy != "" {
		fmt.Fprintf(w, "           remedy: %s\n", s.Reason.Remedy)
	}
}

// verdict writes what all came to.
func verdict(w io.Writer, all tested) {
	failed, untried := 0, 0
	for _, s := range all.Steps {
		switch s.Outcome {
		case canary.Failed:
			failed++
		case canary.NotTried:
			untried++
		}
	}
	switch {
	case failed > 0:
		fmt.Fprintf(w, "%s: %d of %d steps failed", all.Channel, failed, len(all.Steps))
	default:
		fmt.Fprintf(w, "%s: all that was tried works", all.Channel)
	}
	if untried > 0 {
		fmt.Fprintf(w, ", %d not tried", untried)
	}
	fmt.Fprintln(w, "; exits are not run by a test")
}

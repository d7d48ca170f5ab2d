package main

import (
	"os"
	"strings"

	"github.com/spf13/cobra"

	"mft.dev/mft/cmd/mft/argument"
	"mft.dev/mft/cmd/mft/show"
)

func newTrace(s *shell) *cobra.Command {
	return &cobra.Command{
		Use:   "trace PATH|NAME|TRANSFER",
		Short: "Tell where a file is: which transfers sent or brought it, and what proves it",
		Long: `Tell where a file is, as far as this host can prove: which transfers sent it
or brought it, with every step, the agent at the other end and the final name
there, the receipt and whether its signature fits, and the commands that ran
because of it.

What has a slash is a path on this host, such as ./report.csv; anything else
is the id of a transfer, or the name of a file. By its name a file is found
that was sent by itself or by a channel, or received by itself. One that came
with others is found by its path, as long as it lies there as it was
delivered: by the time at which it got its name, which the answer says.

No other agent is asked. A receipt proves what the agent that signed it has
delivered; what happened to the file before or after is known there: each
transfer is shown with the command to type on that host.`,
		Example: `  mft trace /srv/out/report.csv
  mft trace report.csv
  mft trace 0192f0c1-2d5b-7c3a-8e4f-0123456789ab`,
		Args: argument.Takes(1, 1, "a PATH, a NAME or the id of a TRANSFER"),
		RunE: func(c *cobra.Command, args []string) error {
			what := args[0]
			if strings.ContainsRune(what, '/') || strings.ContainsRune(what, os.PathSeparator) {
				var err error
				if what, err = s.absolute(what); err != nil {
					return err
				}
			}
			client, err := s.client()
			if err != nil {
				return err
			}
			report, err := client.Trace(c.Context(), what)
			if err != nil {
				return err
			}
			return s.print(report, func() { show.Trace(s.out, report) })
		},
	}
}

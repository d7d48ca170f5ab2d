package main

import (
	"os"
	"strings"

	"github.com/spf13/cobra"

	"mft.dev/mft/cmd/mft/argument"
	"mft.dev/mft/cmd/mft/show"
)

func newTrace(s *shell) *cobra.Command {
	var here bool
	c := &cobra.Command{
		Use:   "trace PATH|NAME|TRANSFER",
		Short: "Tell where a file is: which transfers sent or brought it, and what proves it",
		Long: `Tell where a file is: which transfers sent it or brought it, with every step,
the agent at the other end and the final name there, the receipt and whether
its signature fits, and the commands that ran because of it.

What has a slash is a path on this host, such as ./report.csv; anything else
is the id of a transfer, or the name of a file. By its name a file is found
that was sent by itself or by a channel, or received by itself. One that came
with others is found by its path, as long as it lies there as it was
delivered: by the time at which it got its name, which the answer says.

The other ends of the newest transfers are asked what they know of them. An
agent that trusts this one with it (allow.traces_from of its configuration)
also tells what the file is called there, what its commands said, and where
the file came from or went on to, and asks those agents in turn. What one
agent says of another is marked so. A receipt proves what the agent that
signed it has delivered; all else is somebody's word.

An agent that does not answer within some seconds, or is reached through an
exchange only, is told of with the command to type on its host.`,
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
			report, err := client.Trace(c.Context(), what, !here)
			if err != nil {
				return err
			}
			return s.print(report, func() { show.Trace(s.out, report) })
		},
	}
	c.Flags().BoolVar(&here, "here", false, "ask no other agent")
	return c
}

package main

import (
	"errors"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"mft.dev/mft"
	"mft.dev/mft/agent/config"
	"mft.dev/mft/cmd/mft/argument"
	"mft.dev/mft/cmd/mft/quickstart"
)

func newQuickstart(s *shell) *cobra.Command {
	var dir string
	var once, breakLink bool
	c := &cobra.Command{
		Use:   "quickstart [--dir DIR] [--once] [--break-link]",
		Short: "See two agents move a file on this machine",
		Long: `Start two agents, alpha and beta, on this machine, pair them, and move a sample
from alpha's outbox to beta's inbox. Everything lies in one directory; started
again it goes on where it was. Both agents end with this command (Ctrl-C).

With --break-link two more files follow: one while the agents cannot reach each
other, through a shared folder, and one after the link has come back.`,
		Example: `  mft quickstart
  mft quickstart --once --dir /tmp/try
  mft quickstart --break-link`,
		Args: argument.Takes(0, 0, ""),
		RunE: func(c *cobra.Command, _ []string) error {
			if dir == "" {
				dir = s.quickstartDir()
			}
			program, err := os.Executable()
			if err != nil {
				return mft.Fail(mft.CodeIO, "find this program", "", err)
			}
			err = quickstart.Run(c.Context(), quickstart.Options{
				Dir: dir, Once: once, BreakLink: breakLink, Program: program, Name: os.Args[0], Out: s.out,
			})
			if errors.Is(err, c.Context().Err()) && once && c.Context().Err() != nil {
				return mft.Fail(mft.CodeCancelled, "quickstart", "", errors.New("it was interrupted before the sample arrived"))
			}
			return err
		},
	}
	c.Flags().StringVar(&dir, "dir", "", "`DIR` for everything (default: ./mft-quickstart, or below the data directory of this user)")
	c.Flags().BoolVar(&once, "once", false, "end after the first verified file, or with --break-link after the third")
	c.Flags().BoolVar(&breakLink, "break-link", false, "move a second file while the agents cannot reach each other")
	return c
}

// quickstartDir is a directory below this one if it can be made.
func (s *shell) quickstartDir() string {
	const here = "mft-quickstart"
	if err := os.MkdirAll(here, 0o755); err == nil {
		return here
	}
	return filepath.Join(config.Default(s.env).Agent.DataDir, "quickstart")
}

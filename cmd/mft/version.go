package main

import (
	"github.com/spf13/cobra"

	"mft.dev/mft/cmd/mft/argument"
	"mft.dev/mft/cmd/mft/edition"
)

func newVersion(s *shell) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version of this program",
		Args:  argument.Takes(0, 0, ""),
		RunE: func(*cobra.Command, []string) error {
			v := edition.This()
			return s.print(v, func() {
				s.printf("mft %s\nprotocol %d\n%s %s\n", v.Version, v.Protocol, v.Go, v.Platform)
				if v.Revision != "" {
					s.printf("revision %s\n", v.Revision)
				}
			})
		},
	}
}

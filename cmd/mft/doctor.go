package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"mft.dev/mft/agent/localapi"
	"mft.dev/mft/cmd/mft/argument"
	"mft.dev/mft/cmd/mft/doctor"
	"mft.dev/mft/cmd/mft/edition"
	"mft.dev/mft/cmd/mft/exit"
	"mft.dev/mft/cmd/mft/progress"
	"mft.dev/mft/cmd/mft/show"
)

func newDoctor(s *shell) *cobra.Command {
	return &cobra.Command{
		Use:   "doctor",
		Short: "Look for what keeps files from moving, and say what to do",
		Long: `Look for what keeps files from moving, and say what to do: configuration, data
directory, keys, exchange, exits, local socket, port, clock, free space, peers,
channels, telemetry, and transfers that wait. Nothing is changed. The exit
status is 1 if anything is bad.`,
		Args: argument.Takes(0, 0, ""),
		RunE: func(c *cobra.Command, _ []string) error {
			p := doctor.Patient{Version: edition.This().Version, Env: s.env}
			if p.Config, p.Err = s.config(); p.Err == nil {
				socket, err := s.socketPath()
				if err != nil {
					return err
				}
				p.Agent = localapi.NewClient(socket)
			}
			findings := doctor.Examine(c.Context(), p)
			if err := s.print(findings, func() { s.findings(findings) }); err != nil {
				return err
			}
			for _, f := range findings {
				if f.Grade == doctor.GradeBad {
					return exit.Ended{Status: exit.Failed}
				}
			}
			return nil
		},
	}
}

func (s *shell) findings(list []doctor.Finding) {
	show.Table(s.out, func(w io.Writer) {
		for _, f := range list {
			fmt.Fprintf(w, "%s\t%s\t%s\n", f.Grade, f.What, progress.Text(f.Says))
			if f.Remedy != "" && f.Grade != doctor.GradeOK {
				fmt.Fprintf(w, "\t\t-> %s\n", f.Remedy)
			}
		}
	})
}

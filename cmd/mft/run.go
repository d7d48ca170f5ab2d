package main

import (
	"log/slog"

	"github.com/spf13/cobra"

	"mft.dev/mft/agent/config"
	"mft.dev/mft/cmd/mft/argument"
	"mft.dev/mft/cmd/mft/daemon"
)

func newRun(s *shell) *cobra.Command {
	var logJSON bool
	c := &cobra.Command{
		Use:     "run",
		Aliases: []string{"init", "start"},
		Short:   "Run the agent of this host until it is told to end",
		Long: `Run the agent of this host. SIGTERM and Ctrl-C end it in order: what moves then
goes on after the next start. The log goes to standard error. Under systemd it
says when it is ready (Type=notify).

azure-mft called this command init.`,
		Example: `  mft run
  mft run --config /etc/mft/mft.yaml --log-json`,
		Args: argument.Takes(0, 0, ""),
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := s.config()
			if err != nil {
				return err
			}
			if s.socket != "" {
				if cfg.Agent.Socket, err = s.absolute(s.socket); err != nil {
					return err
				}
			}
			return daemon.Run(c.Context(), cfg, daemon.Options{Version: thisVersion().Version, Log: s.logger(cfg, logJSON), Env: s.env})
		},
	}
	c.Flags().BoolVar(&logJSON, "log-json", false, "write the log as JSON, one object a line")
	return c
}

func (s *shell) logger(cfg *config.Config, asJSON bool) *slog.Logger {
	o := &slog.HandlerOptions{Level: cfg.Agent.LogLevel}
	if asJSON {
		return slog.New(slog.NewJSONHandler(s.errs, o))
	}
	return slog.New(slog.NewTextHandler(s.errs, o))
}

package main

import (
	"context"
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"mft.dev/mft/agent/config"
	"mft.dev/mft/agent/foreman/supervised"
	"mft.dev/mft/cmd/mft/argument"
	"mft.dev/mft/cmd/mft/crew"
	"mft.dev/mft/cmd/mft/daemon"
	"mft.dev/mft/cmd/mft/daemon/trial"
	"mft.dev/mft/cmd/mft/edition"
	"mft.dev/mft/cmd/mft/unit"
	"mft.dev/mft/link/network"
)

func newRun(s *shell) *cobra.Command {
	var logJSON, onTrial, apart bool
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
			o := daemon.Options{Version: edition.This().Version, Log: s.logger(cfg, logJSON), Env: s.env, Walls: true}
			switch {
			case apart:
				return crew.Supervised(c.Context(), func(ctx context.Context, w *supervised.Workers) error {
					o.Workers, o.Network = w, network.NewClient(w.Network, o.Log)
					return daemon.Run(ctx, cfg, o)
				})
			case crew.Wanted(cfg) && !onTrial:
				return crew.Supervise(c.Context(), cfg, logJSON, s.errs, o.Log)
			}
			if why := crew.Missing(cfg); why != "" {
				o.Log.Warn(why)
			}
			if o.Program, err = daemon.ThisProgram(s.errs); err != nil {
				return err
			}
			if onTrial {
				o.Trial = trial.NewSubject(os.Stdin, s.out)
			}
			return unit.Run(c.Context(), func(ctx context.Context, managed bool) error {
				o.Program.Managed = managed
				return daemon.Run(ctx, cfg, o)
			})
		},
	}
	c.Flags().BoolVar(&logJSON, "log-json", false, "write the log as JSON, one object a line")
	c.Flags().BoolVar(&onTrial, trial.Flag, false, "show that this version comes up, for the one that started it")
	c.Flags().BoolVar(&apart, crew.Flag, false, "be the agent of the supervisor that started it")
	for _, flag := range []string{trial.Flag, crew.Flag} {
		_ = c.Flags().MarkHidden(flag) // there is such a flag
	}
	return c
}

func (s *shell) logger(cfg *config.Config, asJSON bool) *slog.Logger {
	o := &slog.HandlerOptions{Level: cfg.Agent.LogLevel}
	out := unit.Errors(s.errs)
	if asJSON {
		return slog.New(slog.NewJSONHandler(out, o))
	}
	return slog.New(slog.NewTextHandler(out, o))
}

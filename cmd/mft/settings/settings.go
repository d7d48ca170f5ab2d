// Package settings has the commands that check and show the configuration of
// this host. They work without the agent, and refuse to change anything.
package settings

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"mft.dev/mft"
	"mft.dev/mft/agent/config"
	"mft.dev/mft/agent/exits"
	"mft.dev/mft/cmd/mft/argument"
)

// A Shell is what the commands need of the place where they are typed.
type Shell struct {
	// Config loads the configuration of this host, or that of a file.
	Config    func(file string) (*config.Config, error)
	Out, Errs io.Writer
	// JSON reports whether that was asked for.
	JSON func() bool
	// Print writes v as JSON when that was asked for, and calls text else.
	Print func(v any, text func()) error
}

// Command returns `mft config` with the commands below it.
func Command(s Shell) *cobra.Command {
	const long = `Check or show the configuration of this host.

It is read from the first of these that is there:

  --config FILE, MFT_CONFIG            wherever you say
  ~/.config/mft/mft.yaml               of the user, unless it is root
  /etc/mft/mft.yaml                    of the host
  /var/mft2/config.yaml                azure-mft's, by its README
  /var/azmft/azmft.config.yaml         azure-mft's, by its code
  ~/.config/azmft.config.yaml          the same, of the user

On Windows the first two are %APPDATA%\mft\mft.yaml and
%PROGRAMDATA%\mft\mft.yaml, and azure-mft's is %PROGRAMDATA%\mft2\config.yaml.
Without any, an agent takes the name of its host and lets nobody do anything.`
	return argument.Group("config", "Check or show the configuration of this host", long,
		s.check(), s.show(), s.schema())
}

// A checked is what `mft config check --json` prints.
type checked struct {
	File     string          `json:"file"`
	OK       bool            `json:"ok"`
	Mistakes config.Mistakes `json:"mistakes"`
	Notes    []string        `json:"notes"`
}

func (s Shell) check() *cobra.Command {
	return &cobra.Command{
		Use:   "check [FILE]",
		Short: "Read the configuration without starting anything, and say all that is wrong",
		Long: `Read the configuration without starting anything, and say all that is wrong.

Run it as the user of the agent: which users the commands in the section exits
may run as depends on that.`,
		Args: argument.Takes(0, 1, "one FILE"),
		RunE: func(_ *cobra.Command, args []string) error {
			cfg, err := s.Config(strings.Join(args, ""))
			if err == nil {
				cfg, err = checkExits(cfg)
			}
			var bad config.Mistakes
			if err != nil && !errors.As(err, &bad) {
				return err
			}
			if s.JSON() {
				out := checked{OK: err == nil, Mistakes: append(config.Mistakes{}, bad...), Notes: []string{}}
				if cfg != nil {
					out.File, out.Notes = cfg.Path, append(out.Notes, cfg.Notes...)
				} else {
					out.File = subjectOf(err)
				}
				if perr := s.Print(out, nil); perr != nil {
					return perr
				}
			}
			if err != nil {
				return err
			}
			if !s.JSON() {
				s.notes(cfg)
				fmt.Fprintf(s.Out, "%s: ok\n", fileOf(cfg))
			}
			return nil
		},
	}
}

// checkExits looks at what of the exits only this host can tell.
func checkExits(cfg *config.Config) (*config.Config, error) {
	notes, err := exits.Check(cfg.Exits, cfg.Agent.User)
	if err != nil {
		return nil, mft.Fail(mft.CodeConfig, "read configuration", cfg.Path,
			config.Mistakes{{Key: subjectOf(err), What: errors.Unwrap(err).Error()}})
	}
	cfg.Notes = append(cfg.Notes, notes...)
	return cfg, nil
}

func subjectOf(err error) string {
	var e *mft.Error
	if errors.As(err, &e) {
		return e.Subject
	}
	return ""
}

func (s Shell) notes(cfg *config.Config) {
	for _, note := range cfg.Notes {
		fmt.Fprintf(s.Errs, "note: %s\n", note)
	}
}

// fileOf says where a configuration came from.
func fileOf(cfg *config.Config) string {
	if cfg.Path == "" {
		return "no configuration file; these are the defaults"
	}
	return cfg.Path
}

func (s Shell) show() *cobra.Command {
	return &cobra.Command{
		Use:   "show",
		Short: "Show what holds for this host, defaults included",
		Args:  argument.Takes(0, 0, ""),
		RunE: func(*cobra.Command, []string) error {
			cfg, err := s.Config("")
			if err != nil {
				return err
			}
			text, err := cfg.YAML()
			if err != nil {
				return mft.Fail(mft.CodeInternal, "write the configuration", "", err)
			}
			return s.Print(cfg, func() {
				s.notes(cfg)
				fmt.Fprintf(s.Out, "# %s\n%s", fileOf(cfg), text)
			})
		},
	}
}

func (s Shell) schema() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of the configuration file",
		Args:  argument.Takes(0, 0, ""),
		RunE: func(*cobra.Command, []string) error {
			fmt.Fprintf(s.Out, "%s", config.Schema())
			return nil
		},
	}
}

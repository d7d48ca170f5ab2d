package upgrade

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"mft.dev/mft"
	"mft.dev/mft/agent/config"
	"mft.dev/mft/agent/handover"
	"mft.dev/mft/cmd/mft/argument"
	"mft.dev/mft/cmd/mft/daemon"
	"mft.dev/mft/cmd/mft/exit"
	"mft.dev/mft/release/origin"
	"mft.dev/mft/release/place"
)

// A Shell is what the command needs of the place where it is typed.
type Shell struct {
	// Config loads the configuration of this host; Socket is where its agent
	// listens.
	Config    func() (*config.Config, error)
	Socket    func() (string, error)
	Version   string
	Out, Errs io.Writer
	// Print writes v as JSON when that was asked for, and calls text else.
	Print func(v any, text func()) error
}

// Command returns `mft update`.
func Command(s Shell) *cobra.Command {
	var from, to string
	var check, offline bool
	c := &cobra.Command{
		Use:   "update [--check] [--from DIR|URL] [--to VERSION]",
		Short: "Replace this program by a newer version, and go back if that does not come up",
		Long: `Replace this program by a newer version. The release is taken from where the
configuration says (update.from), and only if a key that the configuration names
(update.keys) has signed it. It is newer than what is there, or nothing is done.

The agent begins nothing new, finishes what runs or interrupts it at a point
from which it resumes, and starts the new version on trial beside itself. When
that has opened the journal and listens, its binary takes the place of the old
one, and it goes on from there. If it does not come up, the agent that was there
goes on as if nothing had happened.

Run it as a user that may write where the program is. docs/update.md has the
whole story, and how releases are made and delivered.`,
		Example: `  mft update --check
  mft update
  mft update --from /srv/releases --to 1.4.0`,
		Args: argument.Takes(0, 0, ""),
		RunE: func(c *cobra.Command, _ []string) error {
			u, err := s.updater(from)
			if err != nil {
				return err
			}
			f, err := u.Find(c.Context(), to)
			if err != nil {
				return err
			}
			switch {
			case check:
			case offline:
				err = u.InstallOffline(c.Context(), f)
			default:
				err = u.Install(c.Context(), f)
			}
			if err != nil {
				return err
			}
			return s.Print(f, func() { s.tell(f, check, offline) })
		},
	}
	flags := c.Flags()
	flags.BoolVar(&check, "check", false, "say what there is and change nothing")
	flags.BoolVar(&offline, "offline", false, "replace the program of an agent that does not run, without a trial")
	flags.StringVar(&from, "from", "", "take the release from this `DIR|URL` (default: update.from of the configuration)")
	flags.StringVar(&to, "to", "", "install this `VERSION` and no other")
	return c
}

// updater puts together what an update needs.
func (s Shell) updater(from string) (*Updater, error) {
	cfg, err := s.Config()
	if err != nil {
		return nil, err
	}
	keys := cfg.Update.Pinned()
	if len(keys) == 0 {
		return nil, mft.Fail(mft.CodeConfig, "update", cfg.Path,
			fmt.Errorf("no key is trusted to sign releases; name one: `update: {keys: [mftr1:…]}`"))
	}
	if from == "" {
		from = string(cfg.Update.From)
	}
	if from == "" {
		return nil, exit.Misused("the configuration does not say where releases are (update.from); say it with --from")
	}
	at, err := origin.New(from, nil)
	if err != nil {
		return nil, err
	}
	socket, err := s.Socket()
	if err != nil {
		return nil, err
	}
	program, err := daemon.ThisProgram(s.Errs)
	if err != nil {
		return nil, err
	}
	return &Updater{
		Version: s.Version, Place: place.Of(program.Path), From: at, Keys: keys,
		Agent: handover.NewClient(handover.SocketBeside(socket)), Now: time.Now,
		Note: func(format string, args ...any) { fmt.Fprintf(s.Errs, format+"\n", args...) },
	}, nil
}

func (s Shell) tell(f *Found, check, offline bool) {
	switch {
	case f.Available && check:
		fmt.Fprintf(s.Out, "mft %s is there; this is %s\n", f.Version, f.Installed)
	case f.Available && offline:
		fmt.Fprintf(s.Out, "mft %s is installed in the place of %s; start the agent\n", f.Version, f.Installed)
	case f.Available:
		fmt.Fprintf(s.Out, "mft %s runs in the place of %s\n", f.Version, f.Installed)
	default:
		fmt.Fprintf(s.Out, "mft %s is the newest\n", f.Installed)
	}
}

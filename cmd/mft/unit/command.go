package unit

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"

	"github.com/spf13/cobra"

	"mft.dev/mft/agent/config"
	"mft.dev/mft/agent/localapi"
	"mft.dev/mft/cmd/mft/argument"
	"mft.dev/mft/cmd/mft/daemon"
	"mft.dev/mft/cmd/mft/exit"
)

// A Shell is what the commands need of the place where they are typed.
type Shell struct {
	// Config loads the configuration of this host.
	Config func() (*config.Config, error)
	// Client returns the way to the agent, which need not run.
	Client   func() (*localapi.Client, error)
	Absolute func(string) (string, error)
	Out      io.Writer
	// Print writes v as JSON when that was asked for, and calls text else.
	Print func(v any, text func()) error
}

// Command returns `mft service` with the commands below it.
func Command(s Shell) *cobra.Command {
	return argument.Group("service", "Have the agent run by systemd or as a service of Windows", `Have the agent of this host run by systemd, or as a service of Windows: started
with the system, started again when it fails, and confined to what its
configuration names.`,
		s.install(), s.uninstall(), s.status())
}

// onWindows reports whether there is a service control manager.
func onWindows() bool { return runtime.GOOS == "windows" }

func supported() error {
	if runtime.GOOS == "linux" || onWindows() {
		return nil
	}
	return exit.Misused("mft service knows systemd and Windows; on %s have your service manager run `mft run`", runtime.GOOS)
}

func runner(ctx context.Context, name string, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	return string(out), err
}

func rootFlag(c *cobra.Command, root *string) {
	c.Flags().StringVar(root, "root", "/", "write below this `DIR` and do not tell the service manager, to make a package")
}

func nameFlag(c *cobra.Command, name *string) {
	c.Flags().StringVar(name, "name", "mft", "`NAME` of the unit or service")
}

func (s Shell) install() *cobra.Command {
	var w Wanted
	var root string
	var show bool
	c := &cobra.Command{
		Use:   "install [--print] [--user USER] [--write DIR]…",
		Short: "Make the agent a service and start it",
		Long: `Make the agent of this host a service, and start it now and with the system.

On Linux this writes a unit of systemd that runs as a user of its own without
privileges, sees the file system read-only except for the directories that the
configuration names (agent.data, allow.files_from, exchange.dir, relay.dir) and
those given by --write, and may make the system calls of a server and no others.
Directories that peers were given by mft invite and mft join are asked of the
agent if it runs; else name them with --write. --user root keeps what it takes
to give files their owner.

On Windows it makes a service with the virtual account NT SERVICE\NAME, to which
the administrator gives access to the directories it is to use, and which is
started again when it fails. It writes to the event log.

Settings of your own belong into a drop-in (systemctl edit mft): the unit is
written anew by the next install.`,
		Example: `  mft service install --print
  mft service install --config /etc/mft/mft.yaml --write /srv/in
  mft service install --root ./pkg --user mft`,
		Args: argument.Takes(0, 0, ""),
		RunE: func(c *cobra.Command, _ []string) error { return s.installed(c.Context(), &w, root, show) },
	}
	f := c.Flags()
	f.BoolVar(&show, "print", false, "show the unit and write nothing")
	f.StringVar(&w.User, "user", "", "`USER` that runs the agent (default: mft, which is made; root with agent.user; on Windows NT SERVICE\\NAME)")
	f.StringVar(&w.Group, "group", "", "its `GROUP` (default: that of the same name)")
	f.StringArrayVar(&w.Write, "write", nil, "let the agent write to this `DIR` too; may be repeated")
	rootFlag(c, &root)
	nameFlag(c, &w.Name)
	return c
}

// installed makes the service, or shows its unit.
func (s Shell) installed(ctx context.Context, w *Wanted, root string, show bool) error {
	if err := supported(); err != nil {
		return err
	}
	cfg, err := s.complete(ctx, w)
	if err != nil {
		return err
	}
	if show {
		text, err := w.Unit(cfg)
		if err != nil {
			return err
		}
		return s.Print(map[string]string{"unit": text}, func() { fmt.Fprint(s.Out, text) })
	}
	if onWindows() {
		return install(ctx, *w)
	}
	written, err := Systemd{Root: root, Run: runner}.Install(ctx, *w, cfg)
	if perr := s.list(written, "wrote"); perr != nil {
		return perr
	}
	return err
}

// complete fills in what the command line leaves out.
func (s Shell) complete(ctx context.Context, w *Wanted) (*config.Config, error) {
	cfg, err := s.Config()
	if err != nil {
		return nil, err
	}
	if cfg.Path == "" {
		return nil, exit.Misused("the agent has no configuration file yet; name it with --config")
	}
	if err := checkName(w.Name); err != nil {
		return nil, err
	}
	program, err := daemon.ThisProgram(io.Discard)
	if err != nil {
		return nil, err
	}
	w.Binary, w.Config = program.Path, cfg.Path
	for i, dir := range w.Write {
		if dir, err = s.Absolute(dir); err != nil {
			return nil, err
		}
		w.Write[i] = filepath.Clean(dir)
	}
	w.Write = append(w.Write, s.paired(ctx)...)
	switch {
	case w.User == "" && onWindows():
		w.User = `NT SERVICE\` + w.Name
	case w.User == "" && cfg.Agent.User != "":
		w.User = "root" // who makes the others their users
	case w.User == "":
		w.User = "mft"
	}
	if w.Group == "" {
		w.Group = w.User
	}
	for _, word := range []string{w.User, w.Group} {
		if !onWindows() && checkName(word) != nil {
			return nil, exit.Misused("%q is no name of a user or group of this host", word)
		}
	}
	return cfg, nil
}

// paired lists directories that paired peers may write to, as far as a running
// agent tells.
func (s Shell) paired(ctx context.Context) (dirs []string) {
	client, err := s.Client()
	if err != nil {
		return nil
	}
	peers, _ := client.Peers(ctx) // without an agent nobody is known
	for _, p := range peers {
		dirs = append(dirs, p.FilesInto...)
	}
	return dirs
}

// checkName refuses what is no name for a unit.
func checkName(name string) error {
	legal := name != "" && len(name) <= 64 && name[0] != '-' && name[0] != '.'
	for _, r := range name {
		legal = legal && (r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_' || r == '.')
	}
	if !legal {
		return exit.Misused("%q is no name of a unit: letters, digits, dots, hyphens and underscores", name)
	}
	return nil
}

// ofUnit is a command about a unit by its name, which do is called with.
func ofUnit(name, short string, do func(ctx context.Context, root, unit string) error) *cobra.Command {
	var root, unit string
	c := &cobra.Command{
		Use:   name,
		Short: short,
		Args:  argument.Takes(0, 0, ""),
		RunE: func(c *cobra.Command, _ []string) error {
			if err := supported(); err != nil {
				return err
			}
			if err := checkName(unit); err != nil {
				return err
			}
			return do(c.Context(), root, unit)
		},
	}
	rootFlag(c, &root)
	nameFlag(c, &unit)
	return c
}

func (s Shell) uninstall() *cobra.Command {
	return ofUnit("uninstall", "Stop the service and remove it; journal, keys and files stay", func(ctx context.Context, root, unit string) error {
		if onWindows() {
			return uninstall(ctx, unit)
		}
		removed, err := Systemd{Root: root, Run: runner}.Uninstall(ctx, unit)
		if perr := s.list(removed, "removed"); perr != nil {
			return perr
		}
		return err
	})
}

func (s Shell) status() *cobra.Command {
	return ofUnit("status", "Show what the service manager says of the agent", func(ctx context.Context, root, unit string) error {
		about := Systemd{Root: root, Run: runner}.Status
		if onWindows() {
			about = status
		}
		said, err := about(ctx, unit)
		if err != nil {
			return err
		}
		return s.Print(said, func() {
			for _, key := range slices.Sorted(maps.Keys(said)) {
				fmt.Fprintf(s.Out, "%-22s %s\n", key, said[key])
			}
		})
	})
}

// list tells which files were touched.
func (s Shell) list(paths []string, what string) error {
	if len(paths) == 0 {
		return nil
	}
	return s.Print(map[string][]string{what: paths}, func() {
		for _, path := range paths {
			fmt.Fprintf(s.Out, "%s %s\n", what, path)
		}
	})
}

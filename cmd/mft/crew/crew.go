// Package crew makes several processes of one agent: the supervisor, which has the
// privileges of who started it, the agent itself, and the workers. All are this program.
//
//	if crew.Wanted(cfg) {
//		return crew.Supervise(ctx, cfg, ...)
//	}
//
// It only starts them: what each may do is said in the packages agent/supervisor and
// agent/worker.
package crew

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"mft.dev/mft"
	"mft.dev/mft/agent/config"
	"mft.dev/mft/agent/exits/launch"
	"mft.dev/mft/agent/foreman/supervised"
	"mft.dev/mft/agent/pairing"
	"mft.dev/mft/agent/seat"
	"mft.dev/mft/agent/supervisor"
	"mft.dev/mft/agent/worker"
	"mft.dev/mft/internal/post"
	"mft.dev/mft/internal/restrict"
	"mft.dev/mft/link/network"
)

// Flag says to mft run that a supervisor has started it.
const Flag = "supervised"

// Wanted reports whether this process is to be a supervisor: the configuration names
// a user for the agent, and this is root.
func Wanted(cfg *config.Config) bool {
	return cfg.Agent.User != "" && runtime.GOOS == "linux" && os.Geteuid() == 0
}

// Missing says what keeps a configuration that asks for several processes from having
// them, "" when nothing does.
func Missing(cfg *config.Config) string {
	switch {
	case cfg.Agent.User == "" || Wanted(cfg):
		return ""
	case runtime.GOOS != "linux":
		return "agent.user and run_as have no effect: only on Linux are there several processes; this one does everything, as its own user"
	}
	return fmt.Sprintf("agent.user and run_as have no effect: only root can make processes other users; this one does everything, as user %d", os.Geteuid())
}

// Supervise runs the agent of cfg as its user, by this program and with Flag, until ctx or
// the agent ends. The agent reads the same file, whatever directory it is in.
func Supervise(ctx context.Context, cfg *config.Config, logJSON bool, errs io.Writer, log *slog.Logger) error {
	file, err := filepath.Abs(cfg.Path)
	if err != nil {
		return mft.Fail(mft.CodeIO, "find the configuration", cfg.Path, err)
	}
	args := []string{"run", "--config", file, "--socket", cfg.Agent.Socket, "--" + Flag}
	if logJSON {
		args = append(args, "--log-json")
	}
	if err := own(cfg); err != nil {
		return err
	}
	env := slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "WATCHDOG_PID=") })
	return supervisor.Run(ctx, supervisor.Config{
		Config: cfg, Log: log, Now: time.Now,
		Walls: func(keep []int) (restrict.Report, error) {
			return restrict.Apply(restrict.Supervisor(keep...))
		},
		Agent:   supervisor.Command{Path: self, Args: args, Env: env, Errs: errs},
		Worker:  supervisor.Command{Path: self, Args: []string{"worker"}, Errs: errs},
		Hidden:  []string{cfg.Agent.DataDir, pairing.KeysDir(cfg)},
		Launch:  supervisor.Command{Path: self, Args: []string{"launch"}, Env: []string{"LANG=C.UTF-8"}, Errs: errs},
		Network: supervisor.Command{Path: self, Args: networkArgs(cfg), Errs: errs},
	})
}

// self is this program, also when its file was replaced since: all processes of an agent are of one
// version, for what they tell each other has none.
const self = "/proc/self/exe"

// own makes the data directory the agent's, when there is none, and refuses one that
// is another's: the agent could not use it.
func own(cfg *config.Config) error {
	u, err := seat.UserOf(mft.RunAs{User: cfg.Agent.User})
	if err != nil {
		return err
	}
	dir := cfg.Agent.DataDir
	fi, err := os.Lstat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		if err = os.MkdirAll(dir, 0o700); err == nil {
			err = os.Lchown(dir, int(u.UID), int(u.GID))
		}
		if err != nil {
			return mft.Fail(mft.CodeIO, "make the data directory", dir, err)
		}
		return nil
	}
	if err != nil {
		return mft.Fail(mft.CodeIO, "look at the data directory", dir, err)
	}
	if owner := ownerOf(fi); owner != u.UID {
		return mft.Fail(mft.CodeConfig, "use the data directory", dir, fmt.Errorf(
			"it is of user %d, and the agent is to run as user %d (agent.user): stop the agent and give it all that is in it, with chown -R", owner, u.UID))
	}
	return nil
}

// Supervised runs the agent with what it gets of its supervisor: its workers and the network
// process. It ends when the supervisor does.
func Supervised(ctx context.Context, agent func(context.Context, *supervised.Workers) error) error {
	conn, err := post.Open(os.NewFile(3, "supervisor"))
	if err != nil {
		return mft.Fail(mft.CodeInternal, "start the agent", "", err)
	}
	workers := supervised.New(conn)
	g, ctx := errgroup.WithContext(ctx)
	ctx, end := context.WithCancel(ctx)
	g.Go(func() error { return workers.Run(ctx) })
	g.Go(func() error {
		defer end()
		return agent(ctx, workers)
	})
	return g.Wait()
}

// Command is mft worker, which people have no use for.
func Command(errs io.Writer) *cobra.Command {
	return &cobra.Command{
		Use: "worker", Hidden: true, Args: cobra.NoArgs,
		Short: "Move the files of a channel, for the supervisor that started it",
		RunE: func(c *cobra.Command, _ []string) error {
			debug.SetMemoryLimit(160 << 20)
			return worker.Main(c.Context(), os.NewFile(3, "supervisor"), slog.New(slog.NewTextHandler(errs, nil)))
		},
	}
}

// LaunchCommand is mft launch, which people have no use for.
func LaunchCommand(errs io.Writer) *cobra.Command {
	return &cobra.Command{
		Use: "launch", Hidden: true, Args: cobra.NoArgs,
		Short: "Run the command of an exit, for the supervisor that started it",
		RunE: func(c *cobra.Command, _ []string) error {
			return launch.Main(c.Context(), os.NewFile(3, "supervisor"))
		},
	}
}

// listens is the word by which the network process knows that it has a socket that listens.
const listens = "listens"

func networkArgs(cfg *config.Config) []string {
	if cfg.Agent.Listen == "" {
		return []string{"network"}
	}
	return []string{"network", listens}
}

// NetworkCommand is mft network, which people have no use for.
func NetworkCommand(errs io.Writer) *cobra.Command {
	return &cobra.Command{
		Use: "network", Hidden: true, Args: cobra.MaximumNArgs(1),
		Short: "Make the connections of an agent, for the supervisor that started it",
		RunE: func(c *cobra.Command, args []string) error {
			debug.SetGCPercent(40) // as the agent's
			debug.SetMemoryLimit(160 << 20)
			var listener *os.File
			if len(args) == 1 && args[0] == listens {
				listener = os.NewFile(4, "listener")
			}
			return network.Main(c.Context(), os.NewFile(3, "agent"), listener, slog.New(slog.NewTextHandler(errs, nil)))
		},
	}
}

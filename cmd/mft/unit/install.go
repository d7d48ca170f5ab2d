package unit

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"mft.dev/mft"
	"mft.dev/mft/agent/config"
	"mft.dev/mft/internal/durable"
)

// A Runner runs a program of the service manager and returns what it prints.
type Runner func(ctx context.Context, name string, args ...string) (string, error)

// A Systemd is where the units of a host are.
type Systemd struct {
	// Root takes the place of /; for packagers and tests. With one that is not /
	// the service manager is not told.
	Root string
	Run  Runner
}

func (s Systemd) unitPath(name string) string {
	return filepath.Join(s.Root, "etc", "systemd", "system", name+".service")
}

func (s Systemd) usersPath(name string) string {
	return filepath.Join(s.Root, "etc", "sysusers.d", name+".conf")
}

// live reports whether Root is that of the running system.
func (s Systemd) live() bool { return filepath.Clean(s.Root) == string(filepath.Separator) }

// Install writes the unit and what makes its user, and has the agent started,
// now and with the system. It may be repeated; the error is mft.CodeExists when
// there is a unit of that name that it has not written.
func (s Systemd) Install(ctx context.Context, w Wanted, cfg *config.Config) (written []string, err error) {
	text, err := w.Unit(cfg)
	if err != nil {
		return nil, err
	}
	files := []struct{ path, text string }{{s.unitPath(w.Name), text}}
	if w.User != "root" || w.several(cfg) {
		files = append(files, struct{ path, text string }{s.usersPath(w.Name), w.Sysusers(cfg)})
	}
	for _, f := range files {
		if err := ours(f.path); err != nil {
			return nil, err
		}
	}
	for _, f := range files {
		if err := write(f.path, f.text); err != nil {
			return written, err
		}
		written = append(written, f.path)
	}
	if !s.live() {
		return written, nil
	}
	steps := [][]string{{"systemctl", "daemon-reload"}, {"systemctl", "enable", w.Name + ".service"}, {"systemctl", "restart", w.Name + ".service"}}
	if w.User != "root" || w.several(cfg) {
		steps = append([][]string{{"systemd-sysusers", s.usersPath(w.Name)}}, steps...)
	}
	return written, s.tell(ctx, steps)
}

// Uninstall stops the agent and removes what Install has written. Data, keys,
// journal and the user stay.
func (s Systemd) Uninstall(ctx context.Context, name string) (removed []string, err error) {
	unit := s.unitPath(name)
	if _, err := os.Lstat(unit); errors.Is(err, fs.ErrNotExist) {
		return nil, mft.Fail(mft.CodeNotFound, "remove unit", unit, nil)
	}
	if err := ours(unit); err != nil {
		return nil, err
	}
	if s.live() {
		if err := s.tell(ctx, [][]string{{"systemctl", "disable", "--now", name + ".service"}}); err != nil {
			return nil, err
		}
	}
	for _, path := range []string{unit, s.usersPath(name)} {
		if ours(path) != nil {
			continue
		}
		switch err := os.Remove(path); {
		case err == nil:
			removed = append(removed, path)
		case !errors.Is(err, fs.ErrNotExist):
			return removed, mft.Fail(durable.Code(err), "remove unit", path, err)
		}
	}
	if s.live() {
		return removed, s.tell(ctx, [][]string{{"systemctl", "daemon-reload"}})
	}
	return removed, nil
}

// Status returns what the service manager says of the agent.
func (s Systemd) Status(ctx context.Context, name string) (map[string]string, error) {
	out := map[string]string{"unit": s.unitPath(name), "installed": "no"}
	if _, err := os.Lstat(s.unitPath(name)); err == nil {
		out["installed"] = "yes"
	}
	if !s.live() {
		return out, nil
	}
	const what = "ActiveState,SubState,Result,MainPID,NRestarts,UnitFileState,ActiveEnterTimestamp"
	text, err := s.Run(ctx, "systemctl", "show", "--property="+what, name+".service")
	if err != nil {
		return out, told("systemctl show", text, err)
	}
	for line := range strings.Lines(text) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok {
			out[key] = value
		}
	}
	return out, nil
}

func (s Systemd) tell(ctx context.Context, steps [][]string) error {
	for _, step := range steps {
		if text, err := s.Run(ctx, step[0], step[1:]...); err != nil {
			return told(strings.Join(step, " "), text, err)
		}
	}
	return nil
}

func told(what, text string, err error) error {
	if text = strings.Join(strings.Fields(text), " "); text != "" {
		err = fmt.Errorf("%w: %s", err, text)
	}
	return mft.Fail(mft.CodeOther, "tell the service manager", what, err)
}

// ours refuses a file that somebody else has written.
func ours(path string) error {
	content, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return mft.Fail(durable.Code(err), "read unit", path, err)
	case !strings.HasPrefix(string(content), mark):
		return mft.Fail(mft.CodeExists, "write unit", path, errors.New("it is there and was not written by mft; choose another --name, or remove it"))
	}
	return nil
}

func write(path, text string) error {
	err := os.MkdirAll(filepath.Dir(path), 0o755)
	if err == nil {
		err = durable.WriteFile(path, []byte(text), 0o644)
	}
	if err != nil {
		return mft.Fail(durable.Code(err), "write unit", path, err)
	}
	return nil
}

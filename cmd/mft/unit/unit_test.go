package unit

import (
	"context"
	"errors"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"mft.dev/mft"
	"mft.dev/mft/agent/config"
	"mft.dev/mft/agent/config/storage"
)

var update = flag.Bool("update", false, "write the units in testdata anew")

func host() *config.Config {
	cfg := config.Default(func(string) string { return "" })
	cfg.Agent = config.Agent{
		Name: "erp", Listen: ":7420", DataDir: "/var/lib/mft", KeysDir: "/var/lib/mft/keys", Socket: "/var/lib/mft/agent.sock", MaxTransfers: 8,
	}
	return cfg
}

func wanted() Wanted {
	return Wanted{Name: "mft", Binary: "/usr/local/bin/mft", Config: "/etc/mft/mft.yaml", User: "mft", Group: "mft"}
}

func cases() map[string]func(*config.Config, *Wanted) {
	return map[string]func(*config.Config, *Wanted){
		"plain": func(*config.Config, *Wanted) {},
		"full": func(c *config.Config, w *Wanted) {
			c.Agent.SocketGroup, c.Agent.Listen, c.Agent.DataDir = "operators", ":443", "/srv/mft data/100%"
			c.Exchange = &storage.Exchange{Dir: &storage.Dir{Path: "/mnt/exchange"}}
			c.Allow.FilesFrom = []mft.Grant{{Agent: "ledger", Root: "/srv/in"}, {Agent: "branch", Root: `/tmp/"in"$x`, AllowSetID: true}}
			w.Write = []string{"/srv/in", "/srv/more"}
			w.Binary = "/opt/m f t/$mft%"
		},
		"several": func(c *config.Config, w *Wanted) { w.User, w.Group, c.Agent.User = "root", "root", "mft" },
		"root":    func(_ *config.Config, w *Wanted) { w.User, w.Group = "root", "root" },
	}
}

// TestUnits holds the units to testdata, and has systemd read them.
func TestUnits(t *testing.T) {
	analyze, missing := exec.LookPath("systemd-analyze")
	for name, change := range cases() {
		t.Run(name, func(t *testing.T) {
			cfg, w := host(), wanted()
			change(cfg, &w)
			got, err := w.Unit(cfg)
			if err != nil {
				t.Fatal(err)
			}
			golden := filepath.Join("testdata", name+".service")
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got != strings.ReplaceAll(string(want), "\r\n", "\n") {
				t.Errorf("the unit is not %s; look at it, and write it with -update:\n%s", golden, got)
			}
			if missing != nil {
				t.Skipf("no systemd reads the unit: %v", missing)
			}
			read(t, analyze, cfg, w)
		})
	}
}

// read has systemd read the unit of a program that is there: it complains of
// others.
func read(t *testing.T, analyze string, cfg *config.Config, w Wanted) {
	t.Helper()
	dir := t.TempDir()
	w.Binary = filepath.Join(dir, filepath.Base(w.Binary))
	if err := os.WriteFile(w.Binary, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	w.User, w.Group = "root", "root" // the user of the agent is made when it is installed
	cfg.Agent.SocketGroup = ""
	text, err := w.Unit(cfg)
	if err != nil {
		t.Fatal(err)
	}
	unit := filepath.Join(dir, "mft.service")
	if err := os.WriteFile(unit, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), analyze, "verify", "--man=no", unit).CombinedOutput()
	if said := strings.TrimSpace(string(out)); err != nil || strings.Contains(said, "mft.service") {
		t.Errorf("systemd-analyze verify: %v: %s", err, said)
	}
}

func TestUnitRefuses(t *testing.T) {
	cfg := host()
	cfg.Agent.DataDir = "/srv/a\nExecStartPre=/bin/sh"
	if got, err := wanted().Unit(cfg); mft.CodeOf(err) != mft.CodeConfig {
		t.Errorf("Unit = %q, %v, want code %s", got, err, mft.CodeConfig)
	}
}

// TestInstall installs below a directory: the service manager hears nothing.
func TestInstall(t *testing.T) {
	s := Systemd{Root: t.TempDir(), Run: func(_ context.Context, name string, args ...string) (string, error) {
		t.Errorf("%s %q was run", name, args)
		return "", nil
	}}
	unit, users := s.unitPath("mft"), s.usersPath("mft")
	for range 2 { // again, over what it has written
		written, err := s.Install(t.Context(), wanted(), host())
		if err != nil || len(written) != 2 || written[0] != unit || written[1] != users {
			t.Fatalf("Install = %q, %v, want %q and %q", written, err, unit, users)
		}
	}
	if said, err := s.Status(t.Context(), "mft"); err != nil || said["installed"] != "yes" {
		t.Errorf("Status = %v, %v, want it installed", said, err)
	}
	if removed, err := s.Uninstall(t.Context(), "mft"); err != nil || len(removed) != 2 {
		t.Errorf("Uninstall = %q, %v, want both files", removed, err)
	}
	if _, err := s.Uninstall(t.Context(), "mft"); mft.CodeOf(err) != mft.CodeNotFound {
		t.Errorf("Uninstall of nothing = %v, want code %s", err, mft.CodeNotFound)
	}
	if err := write(unit, "[Service]\nExecStart=/bin/true\n"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Install(t.Context(), wanted(), host()); mft.CodeOf(err) != mft.CodeExists {
		t.Errorf("Install over somebody else's unit = %v, want code %s", err, mft.CodeExists)
	}
	if _, err := s.Uninstall(t.Context(), "mft"); mft.CodeOf(err) != mft.CodeExists {
		t.Errorf("Uninstall of somebody else's unit = %v, want code %s", err, mft.CodeExists)
	}
}

func TestTell(t *testing.T) {
	var ran []string
	s := Systemd{Root: t.TempDir(), Run: func(_ context.Context, name string, args ...string) (string, error) {
		ran = append(ran, name+" "+strings.Join(args, " "))
		if len(ran) == 2 {
			return "it is masked\n", errors.New("exit status 1")
		}
		return "", nil
	}}
	err := s.tell(t.Context(), [][]string{{"systemctl", "daemon-reload"}, {"systemctl", "enable", "mft.service"}, {"systemctl", "restart", "mft.service"}})
	if len(ran) != 2 || err == nil || !strings.Contains(err.Error(), "it is masked") {
		t.Errorf("tell ran %q and returned %v, want it to end with what the second says", ran, err)
	}
}

func TestNames(t *testing.T) {
	for name, ok := range map[string]bool{"mft": true, "mft-2": true, "": false, "-x": false, "../x": false, "a b": false, "a/b": false, "mft@1": false} {
		if err := checkName(name); (err == nil) != ok {
			t.Errorf("checkName(%q) = %v, want it taken: %v", name, err, ok)
		}
	}
}

package e2e

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"mft.dev/mft/internal/rig"
)

// releases are two versions of mft, and folders with signed releases.
type releases struct {
	dir, old, next string // a directory, and the binaries of 0.1.0 and 0.2.0
	key            string // the public key
}

func makeReleases(t *testing.T, ctx context.Context) *releases {
	t.Helper()
	r := &releases{dir: t.TempDir()}
	for version, path := range map[string]*string{"0.1.0": &r.old, "0.2.0": &r.next} {
		*path = filepath.Join(r.dir, "mft-"+version)
		build := exec.CommandContext(ctx, "go", "build", "-ldflags", "-X mft.dev/mft/cmd/mft/edition.stamped="+version, "-o", *path, "mft.dev/mft/cmd/mft")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("building version %s: %v\n%s", version, err, out)
		}
	}
	out, err := exec.CommandContext(ctx, r.old, "release", "key", r.keyFile()).Output()
	if err != nil {
		t.Fatal(err)
	}
	r.key = strings.TrimSpace(string(out))
	return r
}

func (r *releases) keyFile() string { return filepath.Join(r.dir, "release.key") }

// publish makes a release of the program at path and returns its folder.
func (r *releases) publish(t *testing.T, ctx context.Context, version, path string) string {
	t.Helper()
	dir, err := os.MkdirTemp(r.dir, "release-")
	if err != nil {
		t.Fatal(err)
	}
	copyProgram(t, path, filepath.Join(dir, "mft"))
	out, err := exec.CommandContext(ctx, r.old, "release", "sign", "--key", r.keyFile(), "--version", version,
		"--binary", runtime.GOOS+"/"+runtime.GOARCH+"=mft", dir).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return dir
}

func copyProgram(t *testing.T, from, to string) {
	t.Helper()
	in, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.Copy(out, in)
	if err = errors.Join(err, out.Close()); err != nil {
		t.Fatal(err)
	}
}

// install makes a host whose program is the old version, and starts its agent.
func (r *releases) install(t *testing.T, ctx context.Context, from string) *rig.Host {
	t.Helper()
	dir := t.TempDir()
	binary := filepath.Join(dir, "bin", "mft")
	if err := os.Mkdir(filepath.Dir(binary), 0o755); err != nil {
		t.Fatal(err)
	}
	copyProgram(t, r.old, binary)
	h, err := rig.New(binary, filepath.Join(dir, "h"), "erp")
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Configure("update: {from: " + from + ", keys: [" + r.key + "]}\n"); err != nil {
		t.Fatal(err)
	}
	if err := h.Start(ctx); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Kill)
	return h
}

// runs asks the agent for its version.
func runs(t *testing.T, ctx context.Context, h *rig.Host) string {
	t.Helper()
	out, err := h.Mft(ctx, "status")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(out) {
		if rest, ok := strings.CutPrefix(line, "version"); ok {
			return strings.TrimSpace(rest)
		}
	}
	return out
}

// TestNewVersion updates an agent, and tries what must not come to run. The
// process stays the same throughout: whatever watches it has nothing to do.
func TestNewVersion(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), *patience)
	defer cancel()
	r := makeReleases(t, ctx)
	script := func(name, text string) string {
		path := filepath.Join(r.dir, name)
		if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text), 0o755); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good := r.publish(t, ctx, "0.2.0", r.next)
	changed := r.publish(t, ctx, "0.2.0", r.next)
	if err := os.WriteFile(filepath.Join(changed, "mft"), []byte("something else"), 0o755); err != nil {
		t.Fatal(err)
	}
	h := r.install(t, ctx, good)
	pid := h.Running().PID()
	for _, tt := range []struct{ name, from, want string }{
		{"one that ends at once", r.publish(t, ctx, "0.3.0", script("ends", "echo no library >&2\nexit 7\n")), "no library"},
		{"one that ends well", r.publish(t, ctx, "0.3.0", script("well", "exit 0\n")), "UPDATE_FAILED"},
		{"one that is another version", r.publish(t, ctx, "0.3.0", r.next), "says that it is version"},
		{"one that is no program", r.publish(t, ctx, "0.3.0", r.keyFile()), "UPDATE_FAILED"},
		{"an older one", r.publish(t, ctx, "0.0.9", r.old), "RELEASE_UNFIT"},
		{"one that was changed", changed, "BAD_RELEASE"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if out, err := h.Mft(ctx, "update", "--from", tt.from); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("mft update = %q, %v, want it to fail with %q", out, err, tt.want)
			}
			if got := runs(t, ctx, h); got != "0.1.0" {
				t.Errorf("version %s runs, want 0.1.0", got)
			}
			if left, err := filepath.Glob(filepath.Join(filepath.Dir(h.Binary()), "*")); err != nil || len(left) != 1 {
				t.Errorf("there is %q, %v, want the program alone", left, err)
			}
		})
	}
	if out, err := h.Mft(ctx, "update"); err != nil || !strings.Contains(out, "mft 0.2.0 runs in the place of 0.1.0") {
		t.Errorf("mft update = %q, %v", out, err)
	}
	if got := runs(t, ctx, h); got != "0.2.0" || h.Running().PID() != pid {
		t.Errorf("version %s runs as process %d, want 0.2.0 as %d", got, h.Running().PID(), pid)
	}
	if out, err := h.Mft(ctx, "update"); err != nil || !strings.Contains(out, "mft 0.2.0 is the newest") {
		t.Errorf("a second mft update = %q, %v", out, err)
	}
	if err := h.Stop(); err != nil {
		t.Error(err)
	}
}

// TestNewVersionKilled kills the agent, or the command, at each thing that can
// be seen of an update. Whatever was killed, the program that stands there can
// be started, and the next mft update comes to its end.
func TestNewVersionKilled(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2**patience)
	defer cancel()
	r := makeReleases(t, ctx)
	good := r.publish(t, ctx, "0.2.0", r.next)
	beside := func(name string) func(*rig.Host) string {
		return func(h *rig.Host) string { return filepath.Join(filepath.Dir(h.Binary()), name) }
	}
	logged := func(text string) func(*rig.Host) bool {
		return func(h *rig.Host) bool { return strings.Contains(h.Tail(), text) }
	}
	there := func(path func(*rig.Host) string) func(*rig.Host) bool {
		return func(h *rig.Host) bool { _, err := os.Stat(path(h)); return err == nil }
	}
	for _, when := range []struct {
		name string
		seen func(*rig.Host) bool
	}{
		{"staged", there(beside("mft.next"))},
		{"held", logged("begins nothing new")},
		{"journal copied", there(func(h *rig.Host) string { return filepath.Join(h.Data(), "journal.db.spare") })},
		{"on trial", logged("trial=true")},
		{"swapped", there(beside("mft.previous"))},
		{"taking over", logged("takes over")},
	} {
		for _, agent := range []bool{true, false} {
			name := when.name + ", kill the command"
			if agent {
				name = when.name + ", kill the agent"
			}
			t.Run(name, func(t *testing.T) {
				h := r.install(t, ctx, good)
				command := exec.CommandContext(ctx, h.Binary(), "update")
				command.Env = h.Env()
				if err := command.Start(); err != nil {
					t.Fatal(err)
				}
				ended := make(chan struct{})
				go func() { defer close(ended); _ = command.Wait() }()
				await(t, ctx, ended, func() bool { return when.seen(h) })
				if agent {
					h.Kill()
				}
				_ = command.Process.Kill() // it may have ended
				<-ended
				// As a service manager would, and then an operator, once.
				await(t, ctx, nil, func() bool {
					if agent && h.Running() == nil && h.Start(ctx) != nil {
						h.Kill() // the version on trial still had the port
						return false
					}
					return true
				})
				if out, err := h.Mft(ctx, "update"); err != nil {
					t.Errorf("the next mft update = %q, %v", out, err)
				}
				if got := runs(t, ctx, h); got != "0.2.0" {
					t.Errorf("in the end version %s runs, want 0.2.0", got)
				}
				if left, err := filepath.Glob(filepath.Join(h.Data(), "journal.db.[sr]*")); err != nil || len(left) > 0 {
					t.Errorf("beside the journal there is %q, %v", left, err)
				}
			})
		}
	}
}

// await looks again and again until seen, or until over is closed.
func await(t *testing.T, ctx context.Context, over <-chan struct{}, seen func() bool) {
	t.Helper()
	again := time.NewTicker(time.Millisecond)
	defer again.Stop()
	for !seen() {
		select {
		case <-over:
			return // it was too quick to be seen
		case <-ctx.Done():
			t.Fatalf("waited in vain: %v", ctx.Err())
		case <-again.C:
		}
	}
}

//go:build unix

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// agents are two agents of one machine that trust each other.
type agents struct {
	binary  string
	configs [2]string
	running []*exec.Cmd
}

// startAgents builds mft and starts alpha and beta below dir. The files of
// beta lie in dir/in.
func startAgents(ctx context.Context, dir string) (*agents, error) {
	a := &agents{binary: filepath.Join(dir, "mft")}
	build := exec.CommandContext(ctx, "go", "build", "-o", a.binary, "mft.dev/mft/cmd/mft")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("building mft: %w\n%s", err, out)
	}
	in := filepath.Join(dir, "in")
	if err := os.Mkdir(in, 0o755); err != nil {
		return nil, err
	}
	for i, name := range []string{"alpha", "beta"} {
		own := filepath.Join(dir, name)
		if err := os.Mkdir(own, 0o700); err != nil {
			return nil, err
		}
		addr, err := freeAddr(ctx)
		if err != nil {
			return nil, err
		}
		a.configs[i] = filepath.Join(own, "mft.yaml")
		text := fmt.Sprintf("agent: {name: %s, listen: %q, data: %s}\n", name, addr, filepath.Join(own, "data"))
		if err := os.WriteFile(a.configs[i], []byte(text), 0o600); err != nil {
			return nil, err
		}
		if err := a.start(ctx, i, filepath.Join(own, "log")); err != nil {
			return nil, errors.Join(err, a.stop())
		}
	}
	if err := a.pair(ctx, in); err != nil {
		return nil, errors.Join(err, a.stop())
	}
	return a, nil
}

func (a *agents) start(ctx context.Context, i int, log string) error {
	f, err := os.Create(log)
	if err != nil {
		return err
	}
	defer f.Close()
	cmd := exec.CommandContext(ctx, a.binary, "run", "--config", a.configs[i])
	cmd.Stdout, cmd.Stderr = f, f
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // an interrupt is for bench, which stops it
	if err := cmd.Start(); err != nil {
		return err
	}
	a.running = append(a.running, cmd)
	return a.await(ctx, i)
}

// await returns once the agent answers.
func (a *agents) await(ctx context.Context, i int) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		_, err := a.mft(ctx, i, "status")
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// pair lets alpha send into the directory in of beta.
func (a *agents) pair(ctx context.Context, in string) error {
	line, err := a.mft(ctx, 1, "invite", "--files-into", in)
	if err != nil {
		return err
	}
	_, rest, found := strings.Cut(line, "mft join ")
	if !found {
		return fmt.Errorf("mft invite printed no command to join: %s", line)
	}
	rest, _, _ = strings.Cut(rest, "\n")
	_, err = a.mft(ctx, 0, append([]string{"join"}, strings.Fields(rest)...)...)
	return err
}

func (a *agents) mft(ctx context.Context, i int, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, a.binary, args...)
	cmd.Env = append(os.Environ(), "MFT_CONFIG="+a.configs[i])
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("mft %s: %w: %s", args[0], err, errs.String())
	}
	return out.String(), nil
}

// copy is what a person types.
func (a *agents) copy(ctx context.Context, source, dest string) error {
	_, err := a.mft(ctx, 0, "copy", source, "--dest-agent", "beta", "--dest-path", dest)
	return err
}

func (a *agents) stop() error {
	var errs []error
	for _, cmd := range a.running {
		errs = append(errs, cmd.Process.Signal(syscall.SIGTERM), cmd.Wait())
	}
	a.running = nil
	return errors.Join(errs...)
}

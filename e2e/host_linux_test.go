package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/localapi"
)

// patience is how long anything may take before a test gives up on it. Nothing
// is ever timed: a slow machine only makes the tests slow.
const patience = 4 * time.Minute

// A host is one machine of a test: directories, a configuration and an agent,
// which is a process that can be started, stopped and killed. Its methods may
// be called from several goroutines; those that cannot do their work end the
// test.
type host struct {
	t    testing.TB
	name mft.AgentName
	dir  string // everything of this host is below it
	addr string
	user *syscall.Credential // nil: the user of the test

	mu    sync.Mutex
	agent *process
}

// A process is one life of an agent.
type process struct {
	cmd    *exec.Cmd
	traced bool
	ended  chan struct{}
}

// newHost makes a host whose agent has not been started. section is appended
// to its configuration.
func newHost(t testing.TB, name mft.AgentName, section string) *host {
	t.Helper()
	h := &host{t: t, name: name, dir: filepath.Join(t.TempDir(), string(name)), addr: freeAddr(t)}
	for _, d := range []string{h.dir, h.in(), h.out()} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	h.configure(section)
	t.Cleanup(h.finish)
	return h
}

// configure writes the configuration; it holds from the next start.
func (h *host) configure(section string) {
	text := fmt.Sprintf("agent: {name: %s, listen: %q, data: %s}\n%s", h.name, h.addr, h.data(), section)
	if err := os.WriteFile(h.config(), []byte(text), 0o644); err != nil {
		h.t.Fatal(err)
	}
}

func (h *host) config() string { return filepath.Join(h.dir, "mft.yaml") }
func (h *host) data() string   { return filepath.Join(h.dir, "data") }
func (h *host) in() string     { return filepath.Join(h.dir, "in") }
func (h *host) out() string    { return filepath.Join(h.dir, "out") }
func (h *host) log() string    { return filepath.Join(h.dir, "agent.log") }

// freeAddr returns an address that stays free while an agent is down: every
// host has a loopback address of its own, and the port is not one that the
// kernel gives to outgoing connections.
func freeAddr(t testing.TB) string {
	t.Helper()
	for range 100 {
		l, err := net.Listen("tcp", fmt.Sprintf("127.%d.%d.%d:7420", 1+rand.IntN(250), rand.IntN(250), 1+rand.IntN(250)))
		if err == nil {
			defer l.Close()
			return l.Addr().String()
		}
	}
	t.Fatal("no free loopback address")
	return ""
}

// start starts the agent and returns once it answers.
func (h *host) start() {
	h.t.Helper()
	if err := h.launch(nil); err != nil {
		h.t.Fatal(err)
	}
	h.await()
}

// launch starts the agent, under the tracer if spec is not nil, and does not
// wait for it.
func (h *host) launch(spec *tracing) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.agent != nil {
		return fmt.Errorf("%s: the agent is running", h.name)
	}
	p := &process{cmd: exec.Command(os.Getenv(binaryVar), "run"), ended: make(chan struct{})}
	if spec != nil {
		p.traced = true
		var err error
		if p.cmd, err = traced(*spec, p.cmd.Args...); err != nil {
			return err
		}
	}
	p.cmd.Env = append(p.cmd.Env, h.environ()...)
	log, err := os.OpenFile(h.log(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	p.cmd.Stdout, p.cmd.Stderr = log, log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: h.user, Pdeathsig: syscall.SIGKILL}
	if err := p.start(); err != nil {
		return fmt.Errorf("%s: starting the agent: %w", h.name, err)
	}
	h.agent = p
	return nil
}

// start starts the process and closes p.ended when it has ended.
func (p *process) start() error {
	started := make(chan error)
	go func() {
		defer close(p.ended)
		// An agent dies with the thread that started it, so that none is left
		// behind by a test that panics; this one waits as long as the agent lives.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := p.cmd.Start()
		started <- err
		if err == nil {
			_ = p.cmd.Wait() // how it ended is of interest to those that ask
		}
	}()
	return <-started
}

func (h *host) environ() []string {
	return []string{"HOME=" + h.dir, "MFT_CONFIG=" + h.config(), "PATH=" + os.Getenv("PATH"), "LANG=C.UTF-8"}
}

func (h *host) running() *process {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.agent
}

// api returns the way to the running agent.
func (h *host) api() *localapi.Client {
	return localapi.NewClient(filepath.Join(h.data(), "agent.sock"))
}

// await returns once the agent answers on its local socket.
func (h *host) await() {
	h.t.Helper()
	if err := h.awaitOrEnd(); err != nil {
		h.t.Fatalf("%s: %v\n%s", h.name, err, h.tail())
	}
}

// awaitOrEnd is await for an agent that may be killed while it starts.
func (h *host) awaitOrEnd() error {
	p := h.running()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for {
		_, err := h.api().Status(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-p.ended:
			return fmt.Errorf("the agent ended: %v", p.cmd.ProcessState)
		case <-ctx.Done():
			return fmt.Errorf("the agent does not answer: %w", err)
		case <-again.C:
		}
	}
}

// end sends the agent sig and waits for its death. An agent that is dead
// already only is taken note of.
func (h *host) end(sig syscall.Signal) *os.ProcessState {
	h.mu.Lock()
	defer h.mu.Unlock()
	p := h.agent
	if p == nil {
		return nil
	}
	if p.traced && sig == syscall.SIGKILL {
		sig = syscall.SIGUSR1 // the tracer kills it and lives on to see it dead
	}
	_ = p.cmd.Process.Signal(sig) // fails when it is dead
	<-p.ended
	h.agent = nil
	return p.cmd.ProcessState
}

// kill ends the agent without a warning.
func (h *host) kill() { h.end(syscall.SIGKILL) }

// stop ends the agent as systemd does.
func (h *host) stop() {
	h.t.Helper()
	if s := h.end(syscall.SIGTERM); s != nil && !s.Success() {
		h.t.Errorf("%s: the agent was asked to stop, and ended with %v\n%s", h.name, s, h.tail())
	}
}

// finish is the clean-up.
func (h *host) finish() {
	h.kill()
	if h.t.Failed() {
		h.t.Logf("the last lines of %s:\n%s", h.name, h.tail())
	}
}

// tail returns the end of the agent's log.
func (h *host) tail() string {
	b, err := os.ReadFile(h.log())
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(string(b), "\n")
	return strings.Join(lines[max(0, len(lines)-40):], "\n")
}

// run runs a command of mft on this host and returns its standard output. The
// error has the exit status and what it said.
func (h *host) run(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Getenv(binaryVar), args...)
	cmd.Env = h.environ()
	cmd.Dir = h.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: h.user}
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("mft %s: %w: %s%s", strings.Join(args, " "), err, out.String(), errs.String())
	}
	return out.String(), nil
}

// mft is run for a command that has to work.
func (h *host) mft(args ...string) string {
	h.t.Helper()
	out, err := h.run(args...)
	if err != nil {
		h.t.Fatalf("%s: %v\n%s", h.name, err, h.tail())
	}
	return out
}

// transfers returns what the agent knows of all its transfers.
func (h *host) transfers() ([]localapi.Transfer, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return h.api().Transfers(ctx, localapi.Filter{Limit: 1 << 20})
}

// awaitEnd waits until the transfer has ended on this host, whatever happens
// to the agent meanwhile, and returns it.
func (h *host) awaitEnd(id mft.TransferID) localapi.Transfer {
	h.t.Helper()
	return h.awaitTransfer(id, func(tr localapi.Transfer) bool { return tr.State.Terminal() })
}

// awaitTransfer waits until ok is true of the transfer. It gives up when the
// transfer has not moved for a long time.
func (h *host) awaitTransfer(id mft.TransferID, ok func(localapi.Transfer) bool) localapi.Transfer {
	h.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	idle := time.AfterFunc(patience, cancel)
	defer idle.Stop()
	errFound := errors.New("found")
	var last localapi.Transfer
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		err := h.api().Watch(ctx, []mft.TransferID{id}, func(tr localapi.Transfer) error {
			if tr.Moved != last.Moved || tr.Totals != last.Totals {
				idle.Reset(patience)
			}
			if last = tr; ok(tr) {
				return errFound
			}
			return nil
		})
		if errors.Is(err, errFound) {
			return last
		}
		select {
		case <-ctx.Done():
			out, _ := h.run("transfer", "show", id.String())
			h.t.Fatalf("%s: transfer %s has not moved for %v: last %+v (%v)\n%s\n%s", h.name, id, patience, last, err, out, h.tail())
		case <-again.C:
		}
	}
}

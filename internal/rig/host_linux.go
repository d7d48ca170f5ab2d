package rig

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Build makes the mft binary in dir and returns its path.
func Build(ctx context.Context, dir string) (string, error) {
	binary := filepath.Join(dir, "mft")
	build := exec.CommandContext(ctx, "go", "build", "-o", binary, "mft.dev/mft/cmd/mft")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building mft: %w\n%s", err, out)
	}
	return binary, nil
}

// A Host is what one machine would be: directories, a configuration and an
// agent, which is a process that can be started, stopped and killed. Its
// methods may be called from several goroutines.
type Host struct {
	// Name is that of the agent.
	Name string
	// Dir holds everything that belongs to the host.
	Dir string
	// Addr is where the agent listens.
	Addr string
	// Public is the address that peers are told; "" is Addr. It counts from
	// the next Configure.
	Public string
	// User runs the agent and the commands; nil is the user of this process.
	// It is set before the first of them.
	User *syscall.Credential
	// Becomes is the user that the agent is configured to become; "" for none. It
	// counts from the next Configure.
	Becomes string
	// Exposed is the user that its network process becomes, if it is not that one.
	Exposed string

	binary string

	mu    sync.Mutex
	agent *Process
}

// New makes a host below dir, which it creates. The agent is not started.
func New(binary, dir, name string) (*Host, error) {
	h := &Host{Name: name, Dir: dir, binary: binary}
	for _, d := range []string{dir, h.In(), h.Out()} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return nil, err
		}
	}
	var err error
	if h.Addr, err = FreeAddr(); err != nil {
		return nil, err
	}
	return h, h.Configure("")
}

// Configure writes the configuration of the agent, with the given sections
// after that of the agent itself. It holds from the next start.
func (h *Host) Configure(sections string) error {
	public := h.Public
	if public == "" {
		public = h.Addr
	}
	becomes := ""
	if h.Becomes != "" {
		becomes = fmt.Sprintf(", user: %q", h.Becomes)
	}
	if h.Exposed != "" {
		becomes += fmt.Sprintf(", network_user: %q", h.Exposed)
	}
	text := fmt.Sprintf("agent: {name: %s, listen: %q, address: %q, data: %q%s}\n%s", h.Name, h.Addr, public, h.Data(), becomes, sections)
	return os.WriteFile(h.Config(), []byte(text), 0o644)
}

// In is a directory for files that arrive; pairing lets the guest send there.
func (h *Host) In() string { return filepath.Join(h.Dir, "in") }

// Out is a directory for files to send.
func (h *Host) Out() string { return filepath.Join(h.Dir, "out") }

// Data is the data directory of the agent.
func (h *Host) Data() string { return filepath.Join(h.Dir, "data") }

// Config is the configuration file.
func (h *Host) Config() string { return filepath.Join(h.Dir, "mft.yaml") }

// Socket is the local socket of the agent.
func (h *Host) Socket() string { return filepath.Join(h.Data(), "agent.sock") }

// Log is where the agent's output goes.
func (h *Host) Log() string { return filepath.Join(h.Dir, "agent.log") }

// Env is the environment of the agent and of the commands.
func (h *Host) Env() []string {
	return []string{"HOME=" + h.Dir, "MFT_CONFIG=" + h.Config(), "PATH=" + os.Getenv("PATH"), "LANG=C.UTF-8"}
}

// Start starts the agent and returns once it answers.
func (h *Host) Start(ctx context.Context) error {
	if err := h.Launch(exec.Command(h.binary, "run"), syscall.SIGKILL); err != nil {
		return err
	}
	return h.Await(ctx)
}

// Binary is the program that Start runs.
func (h *Host) Binary() string { return h.binary }

// Launch runs cmd as the agent and does not wait until it answers; Env is
// added to its environment. lethal is the signal that kills the agent for
// certain: SIGKILL, unless cmd is a program that stands between.
func (h *Host) Launch(cmd *exec.Cmd, lethal syscall.Signal) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.agent != nil {
		return fmt.Errorf("%s: the agent is running", h.Name)
	}
	cmd.Env = append(cmd.Env, h.Env()...)
	log, err := os.OpenFile(h.Log(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	// In a group of its own: an interrupt at the terminal is not for it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: h.User, Pdeathsig: syscall.SIGKILL, Setpgid: true}
	p := &Process{cmd: cmd, lethal: lethal, ended: make(chan struct{})}
	if err := p.start(); err != nil {
		return fmt.Errorf("%s: starting the agent: %w", h.Name, err)
	}
	h.agent = p
	return nil
}

// Running returns the agent's process, nil when it was not started.
func (h *Host) Running() *Process {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.agent
}

// Await returns once the agent answers on its local socket. The error says
// why it does not, if it ended or ctx did.
func (h *Host) Await(ctx context.Context) error {
	p := h.Running()
	if p == nil {
		return fmt.Errorf("%s: the agent was not started", h.Name)
	}
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	var d net.Dialer
	for {
		conn, err := d.DialContext(ctx, "unix", h.Socket())
		if err == nil {
			conn.Close()
			if _, err = h.Mft(ctx, "status"); err == nil {
				return nil
			}
		}
		select {
		case <-p.ended:
			return fmt.Errorf("%s: the agent ended: %v\n%s", h.Name, p.State(), h.Tail())
		case <-ctx.Done():
			return fmt.Errorf("%s: the agent does not answer: %w\n%s", h.Name, err, h.Tail())
		case <-again.C:
		}
	}
}

// Kill ends the agent without a warning, and returns when it is dead.
func (h *Host) Kill() {
	h.end(func(p *Process) syscall.Signal { return p.lethal })
}

// Stop ends the agent as a service manager does. The error tells of an agent
// that did not end well.
func (h *Host) Stop() error {
	s := h.end(func(*Process) syscall.Signal { return syscall.SIGTERM })
	if s != nil && !s.Success() {
		return fmt.Errorf("%s: the agent was asked to stop, and ended with %v\n%s", h.Name, s, h.Tail())
	}
	return nil
}

// end sends a signal and waits. It returns nil when nothing was running.
func (h *Host) end(sig func(*Process) syscall.Signal) *os.ProcessState {
	h.mu.Lock()
	defer h.mu.Unlock()
	p := h.agent
	if p == nil {
		return nil
	}
	_ = p.cmd.Process.Signal(sig(p)) // fails when it is dead
	<-p.ended
	h.agent = nil
	return p.State()
}

// Tail returns the last lines of the agent's log.
func (h *Host) Tail() string {
	b, err := os.ReadFile(h.Log())
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(string(b), "\n")
	return strings.Join(lines[max(0, len(lines)-40):], "\n")
}

// Mft runs a command of mft on this host and returns its standard output. The
// error has the exit status and everything that was said.
func (h *Host) Mft(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, h.binary, args...)
	cmd.Env, cmd.Dir = h.Env(), h.Dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: h.User}
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("%s: mft %s: %w: %s%s", h.Name, strings.Join(args, " "), err, out.String(), errs.String())
	}
	return out.String(), nil
}

// Pin is the key of the agent, which runs, as peers write it into their
// configuration.
func (h *Host) Pin(ctx context.Context) (string, error) {
	out, err := h.Mft(ctx, "key", "show")
	if err != nil {
		return "", err
	}
	for word := range strings.FieldsSeq(out) {
		if strings.HasPrefix(word, "mft1:") {
			return word, nil
		}
	}
	return "", fmt.Errorf("%s: mft key show printed no pin: %s", h.Name, out)
}

// Pair lets guest join host, which it reaches at addr, and send into host's In.
// Both agents run.
func Pair(ctx context.Context, guest, host *Host, addr string) error {
	out, err := host.Mft(ctx, "invite", "--address", addr, "--allow-delete", "--files-into", host.In())
	if err != nil {
		return err
	}
	_, line, found := strings.Cut(out, "mft join ")
	if !found {
		return errors.New("mft invite printed no command to join: " + out)
	}
	line, _, _ = strings.Cut(line, "\n")
	_, err = guest.Mft(ctx, append([]string{"join"}, strings.Fields(line)...)...)
	return err
}

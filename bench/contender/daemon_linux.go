package contender

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"runtime"
	"slices"
	"syscall"
	"time"
)

// A daemon is a server of a peer.
type daemon struct {
	cmd   *exec.Cmd
	ended chan struct{}
	said  bytes.Buffer // to be read when it has ended
}

// startDaemon starts a server and returns when it accepts connections at an
// address, which enter, a command line to put before another, can reach too.
func startDaemon(ctx context.Context, address string, at Place, argv ...string) (*daemon, error) {
	cmd := at.command(argv...)
	d := &daemon{cmd: cmd, ended: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = &d.said, &d.said
	cmd.WaitDelay = 5 * time.Second
	// In a group of its own: an interrupt at the terminal is not for it. It
	// dies with the thread that started it, so that none is left behind.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	started := make(chan error)
	go func() {
		defer close(d.ended)
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // it is killed
		}
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	if err := d.await(ctx, address, at); err != nil {
		return nil, errors.Join(err, d.stop())
	}
	return d, nil
}

// await returns when the daemon accepts connections.
func (d *daemon) await(ctx context.Context, address string, at Place) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		err := at.dial(ctx, address)
		if err == nil {
			return nil
		}
		select {
		case <-d.ended:
			return fmt.Errorf("%s ended: %s", d.cmd.Path, d.said.Bytes())
		case <-ctx.Done():
			return fmt.Errorf("%s does not answer: %w", d.cmd.Path, err)
		case <-again.C:
		}
	}
}

func (d *daemon) stop() error {
	_ = syscall.Kill(-d.cmd.Process.Pid, syscall.SIGKILL) // fails when it is dead
	<-d.ended
	return nil
}

// command is a command line that runs at a place.
func (p Place) command(argv ...string) *exec.Cmd {
	argv = append(slices.Clone(p.Enter), argv...)
	return exec.Command(argv[0], argv[1:]...)
}

// commandContext is a command that is killed when ctx ends.
func (p Place) commandContext(ctx context.Context, argv ...string) *exec.Cmd {
	argv = append(slices.Clone(p.Enter), argv...)
	return exec.CommandContext(ctx, argv[0], argv[1:]...)
}

// dial tries whether somebody accepts connections at a place.
func (p Place) dial(ctx context.Context, address string) error {
	if p.Enter != nil {
		return p.commandContext(ctx, "bash", "-c", "exec 3<>/dev/tcp/"+slashed(address)).Run()
	}
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	return conn.Close()
}

// slashed is an address as bash wants it.
func slashed(address string) string {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	return host + "/" + port
}

// freePort is a port that nobody listens on at an address of this place, and
// that the kernel does not give to outgoing connections.
func freePort(ctx context.Context, p Place) (string, error) {
	if p.Enter != nil {
		return "2222", nil // a network of its own
	}
	ports, err := freePorts(ctx, p.Address, 1)
	if err != nil {
		return "", err
	}
	return ports[0], nil
}

// freePorts are several such ports at an address of this host.
func freePorts(ctx context.Context, address string, n int) (ports []string, err error) {
	var lc net.ListenConfig
	for port := 20000; port < 32000 && len(ports) < n; port++ {
		l, errListen := lc.Listen(ctx, "tcp", net.JoinHostPort(address, fmt.Sprint(port)))
		if errListen != nil {
			continue
		}
		defer func() { err = errors.Join(err, l.Close()) }()
		ports = append(ports, fmt.Sprint(port))
	}
	if len(ports) < n {
		return nil, fmt.Errorf("not enough ports are free at %s", address)
	}
	return ports, nil
}

package process

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"mft.dev/mft"
	"mft.dev/mft/identity/holder"
	"mft.dev/mft/identity/keyring"
	"mft.dev/mft/internal/restrict"
)

// The process is started with a command line of this one word. It reads an order
// from its standard input, and its end of the pair of sockets is descriptor 3.
const (
	word     = "hold-keys"
	socketFD = 3
	maxOrder = 64 << 10
	maxSaid  = 4096
)

var errClosed = errors.New("the agent ends")

// Possible reports whether there can be such a process here.
func Possible() bool { return true }

// An order is what the process is told.
type order struct {
	Policy restrict.Policy `json:"policy"`
	File   string          `json:"file"`
	Name   mft.AgentName   `json:"name"`
}

// begin starts a process; wait returns when it has ended, and why.
func begin(c Config) (client *holder.Client, wait func() error, err error) {
	// A program that does not call Become would start itself again and again.
	if len(os.Args) == 2 && os.Args[1] == word {
		return nil, nil, errors.New("this program cannot be the key process: its main function does not call Become")
	}
	policy, err := policyFor(c.Dir)
	if err != nil {
		return nil, nil, err
	}
	told, err := json.Marshal(order{Policy: policy, File: c.File, Name: c.Name})
	if err != nil {
		return nil, nil, err
	}
	own, theirs, err := pair()
	if err != nil {
		return nil, nil, err
	}
	defer theirs.Close()
	said := &tail{}
	cmd := &exec.Cmd{
		Path: "/proc/self/exe", Args: []string{"mft", word}, Env: []string{}, Dir: "/", Stdin: bytes.NewReader(told), Stderr: said,
		ExtraFiles: []*os.File{theirs}, SysProcAttr: restrict.Starting(policy),
	}
	// What a terminal sends to everybody is not for it: it ends when the agent does.
	cmd.SysProcAttr.Setpgid = true
	if err := cmd.Start(); err != nil {
		return nil, nil, errors.Join(err, own.Close())
	}
	_ = theirs.Close()
	ended := func() error {
		if err := cmd.Wait(); err != nil || len(said.b) > 0 {
			return fmt.Errorf("%w: %s", errors.Join(err), bytes.TrimSpace(said.b))
		}
		return errors.New("it ended by itself")
	}
	if client, err = holder.Open(own); err != nil {
		_ = own.Close()
		_ = cmd.Process.Kill()
		why := ended()
		if mft.CodeOf(err) != mft.CodeKeysAway {
			return nil, nil, err // the process has said it itself
		}
		return nil, nil, fmt.Errorf("it does not come up: %w", why)
	}
	return client, ended, nil
}

// policyFor is the policy of the process. Keys of another user than root it
// reads as that user, for it has no capability to read them as root.
func policyFor(dir string) (restrict.Policy, error) {
	dir, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return restrict.Policy{}, err
	}
	p := restrict.Keys(dir)
	fi, err := os.Stat(dir)
	if err != nil {
		return p, err
	}
	if owner, ok := fi.Sys().(*syscall.Stat_t); ok && os.Geteuid() == 0 && owner.Uid != 0 {
		p.User = &restrict.User{UID: owner.Uid, GID: owner.Gid}
	}
	return p, nil
}

// pair makes two sockets that are connected to each other.
func pair() (own net.Conn, theirs *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("making a pair of sockets: %w", err)
	}
	mine := os.NewFile(uintptr(fds[0]), "keys")
	theirs = os.NewFile(uintptr(fds[1]), "agent")
	own, err = net.FileConn(mine) // a copy
	if err = errors.Join(err, mine.Close()); err != nil {
		return nil, nil, errors.Join(err, theirs.Close())
	}
	return own, theirs, nil
}

// Become makes this process the one that has the keys, if that is what its
// command line says.
func Become(args []string, errs io.Writer) (status int, asked bool) {
	if len(args) != 2 || args[1] != word {
		return 0, false
	}
	signal.Ignore(syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	if err := become(os.Stdin); err != nil {
		fmt.Fprintln(errs, err)
		return 1, true
	}
	return 0, true
}

func become(told io.Reader) error {
	var o order
	if err := json.NewDecoder(io.LimitReader(told, maxOrder)).Decode(&o); err != nil || o.Policy.Role != restrict.RoleKeys {
		return mft.Fail(mft.CodeUsage, "have the keys", "", errors.New("an agent starts this, and tells it what to do"))
	}
	conn := os.NewFile(socketFD, "agent")
	unix.CloseOnExec(socketFD)
	walls, err := restrict.Apply(o.Policy)
	var keys *keyring.Keeper
	if err == nil {
		keys, err = open(o.File, o.Name)
	}
	if err != nil {
		holder.Refuse(conn, err)
		return err
	}
	return holder.Serve(conn, o.Name, keys, walls)
}

// open reads the keys, and makes them when there are none.
func open(file string, name mft.AgentName) (*keyring.Keeper, error) {
	keys, err := keyring.Open(file, name, time.Now())
	if mft.CodeOf(err) == mft.CodeNotFound {
		if err = keyring.Create(file, name, time.Now()); err == nil {
			keys, err = keyring.Open(file, name, time.Now())
		}
	}
	return keys, err
}

// A tail keeps the beginning of what a process says.
type tail struct{ b []byte }

func (t *tail) Write(b []byte) (int, error) {
	t.b = append(t.b, b[:min(len(b), maxSaid-len(t.b))]...)
	return len(b), nil
}

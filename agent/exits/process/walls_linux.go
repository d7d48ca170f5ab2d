package process

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"mft.dev/mft/internal/restrict"
)

// A command within walls is begun by this program, started once more: that
// confines itself and becomes the command. The word is all of its command line;
// what it is to become it reads from a pipe, and another one, which closes when it
// has become that, carries what kept it from it.
const (
	becoming  = "become-exit"
	tellsFD   = 3 // what it is to become
	failsFD   = 4
	maxTold   = 8 << 20 // more than the system takes as arguments
	maxFailed = 4096
	// beginning is how long it may take to become the command.
	beginning = 30 * time.Second
)

// self is this program, also when its file was replaced since.
const selfPath = "/proc/self/exe"

// A told is what a process is to become.
type told struct {
	Policy  restrict.Policy
	Program string
	Args    [][]byte // not always text
}

// policy is what confines the command.
func (o *Order) policy() restrict.Policy {
	p := restrict.Exit(o.Walls.Network, o.Walls.Hidden...)
	uid := os.Geteuid()
	if o.As.other {
		p.User = &restrict.User{UID: o.As.uid, GID: o.As.gid, Groups: o.As.groups}
		uid = int(o.As.uid)
	}
	if uid == 0 {
		p.Keep = Capabilities()
	}
	return p
}

// within begins the command behind walls. The error is what kept it from
// becoming the command; nothing runs then.
func within(cmd *exec.Cmd, o *Order) error {
	// A program that does not call Become would start itself again and again.
	if len(os.Args) == 2 && os.Args[1] == becoming {
		return errors.New("this program cannot become a command: its main function does not call Become")
	}
	t := told{Policy: o.policy(), Program: cmd.Path}
	for _, a := range cmd.Args {
		t.Args = append(t.Args, []byte(a))
	}
	tell, tells, err := os.Pipe()
	if err != nil {
		return err
	}
	defer tells.Close()
	fails, fail, err := os.Pipe()
	if err != nil {
		return errors.Join(err, tell.Close())
	}
	defer fails.Close()
	cmd.Path, cmd.Args, cmd.ExtraFiles = selfPath, []string{"mft", becoming}, []*os.File{tell, fail}
	cmd.SysProcAttr.AmbientCaps = restrict.Starting(t.Policy).AmbientCaps
	err = cmd.Start()
	if closed := errors.Join(tell.Close(), fail.Close()); err != nil || closed != nil {
		return errors.Join(err, closed)
	}
	_ = tells.SetDeadline(time.Now().Add(beginning))
	_ = fails.SetDeadline(time.Now().Add(beginning))
	err = json.NewEncoder(tells).Encode(t)
	_ = tells.Close()
	if err == nil {
		var why []byte
		if why, err = io.ReadAll(io.LimitReader(fails, maxFailed)); err == nil && len(why) > 0 {
			err = errors.New(string(why))
		}
	}
	if err != nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		return err
	}
	return nil
}

// Become makes this process the command that an agent started it for, if that is
// what its command line says; then it returns only in failure.
func Become(args []string) (status int, asked bool) {
	if len(args) != 2 || args[1] != becoming {
		return 0, false
	}
	fail := os.NewFile(failsFD, "failure")
	unix.CloseOnExec(failsFD)
	err := become(os.NewFile(tellsFD, "order"))
	_, _ = fmt.Fprintf(fail, "%.*s", maxFailed, err.Error())
	return 1, true
}

// read reads what to become.
func (t *told) read(from io.Reader) error {
	if err := json.NewDecoder(io.LimitReader(from, maxTold)).Decode(t); err != nil {
		return fmt.Errorf("reading what to become: %w", err)
	}
	if t.Policy.Role != restrict.RoleExit || t.Program == "" {
		return errors.New("it is not told what to become")
	}
	return nil
}

func become(tell *os.File) error {
	unix.CloseOnExec(tellsFD)
	var t told
	if err := t.read(tell); err != nil {
		return err
	}
	if _, err := restrict.Apply(t.Policy); err != nil {
		return err
	}
	args := make([]string, len(t.Args))
	for i, a := range t.Args {
		args[i] = string(a)
	}
	return fmt.Errorf("starting %s: %w", t.Program, syscall.Exec(t.Program, args, os.Environ()))
}

package restrict

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"
)

// verify tries what each wall that is up is there to prevent.
func verify(p Policy, r Report) error {
	var errs []error
	for _, w := range Walls() {
		if !r.Up(w) {
			continue
		}
		if err := trials[w](p); err != nil {
			errs = append(errs, fmt.Errorf("the wall %q does not hold: %w", w, err))
		}
	}
	return errors.Join(errs...)
}

var trials = map[Wall]func(Policy) error{
	WallUser:         func(p Policy) error { return isUser(p.User) },
	WallMemory:       tryMemory,
	WallPrivileges:   tryPrivileges,
	WallCapabilities: verifyCapabilities,
	WallFiles:        tryFiles,
	WallPorts:        tryPorts,
	WallScope:        tryScope,
	WallCalls:        tryCalls,
}

func tryMemory(Policy) error {
	if v, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0); err != nil || v != 0 {
		return fmt.Errorf("it can be dumped (%d, %w)", v, err)
	}
	return nil
}

func tryPrivileges(p Policy) error {
	if v, err := unix.PrctlRetInt(unix.PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0); err != nil || v != 1 {
		return fmt.Errorf("no_new_privs is %d (%w)", v, err)
	}
	if !slices.Contains(p.Keep, unix.CAP_SETPCAP) && !refused(unix.Prctl(unix.PR_CAPBSET_DROP, unix.CAP_SYS_BOOT, 0, 0, 0)) {
		return errors.New("it may change its bounding set")
	}
	return nil
}

// tryFiles opens what is outside.
func tryFiles(p Policy) error {
	if p.AllFiles {
		hidden, err := resolve(p.Hidden)
		if err != nil && !errors.Is(err, os.ErrPermission) {
			return err
		}
		for _, dir := range hidden {
			// A file without a name goes as soon as it is closed.
			fd, err := unix.Open(dir, unix.O_TMPFILE|unix.O_WRONLY|unix.O_CLOEXEC, 0o600)
			if err == nil {
				_ = unix.Close(fd)
				return fmt.Errorf("%s is hidden and can be written to", dir)
			}
		}
		return tryExecute(p)
	}
	allowed := slices.Concat(p.Read, p.Write, p.Execute, p.Optional)
	for _, path := range []string{"/", "/etc", "/proc/self/status", os.Args[0]} {
		if !filepath.IsAbs(path) || slices.ContainsFunc(allowed, func(a string) bool { return a == path || below(path, filepath.Clean(a)) }) {
			continue
		}
		fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
		if err == nil {
			_ = unix.Close(fd)
			return fmt.Errorf("%s can be opened", path)
		}
	}
	return nil
}

// tryExecute starts programs that nearly every host has, if the policy names others.
func tryExecute(p Policy) error {
	for _, program := range []string{"/bin/sh", "/bin/true", "/usr/bin/env"} {
		if len(p.Execute) == 0 || slices.Contains(p.Execute, program) {
			continue
		}
		started, err := os.StartProcess(program, []string{program, "--version"}, &os.ProcAttr{Env: []string{}})
		if err == nil {
			_ = started.Kill()
			_, _ = started.Wait()
			return fmt.Errorf("%s can be started", program)
		}
	}
	return nil
}

// tryPorts binds one that the kernel chooses.
func tryPorts(p Policy) error {
	if slices.Contains(p.Bind, 0) {
		return nil
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil // then it cannot bind either
	}
	defer unix.Close(fd)
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); !refused(err) {
		return fmt.Errorf("a port can be bound (%w)", err)
	}
	return nil
}

// tryScope asks whether the parent could be sent a signal, which sends none.
func tryScope(Policy) error {
	parent := os.Getppid()
	if parent == 0 {
		return nil // it is in another namespace
	}
	if err := unix.Kill(parent, 0); !refused(err) {
		return fmt.Errorf("it can send signals to process %d (%w)", parent, err)
	}
	return nil
}

// tryCalls makes calls that would fail in another way if there was no filter.
func tryCalls(p Policy) error {
	if v, err := unix.PrctlRetInt(unix.PR_GET_SECCOMP, 0, 0, 0, 0); err != nil || v != unix.SECCOMP_MODE_FILTER {
		return fmt.Errorf("there is no filter (%d, %w)", v, err)
	}
	for name, number := range map[string]uintptr{
		"ptrace": unix.SYS_PTRACE, "bpf": unix.SYS_BPF, "io_uring_setup": unix.SYS_IO_URING_SETUP, "keyctl": unix.SYS_KEYCTL,
		"mount": unix.SYS_MOUNT, "setns": unix.SYS_SETNS,
	} {
		const none = ^uintptr(0) // no arguments of these calls
		if _, _, errno := unix.Syscall6(number, none, none, none, none, none, none); errno != unix.EPERM {
			return fmt.Errorf("%s is not refused (%w)", name, errno)
		}
	}
	if fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, unix.IPPROTO_MPTCP); !refused(err) {
		if err == nil {
			_ = unix.Close(fd)
		}
		return fmt.Errorf("there are sockets of MPTCP (%w)", err)
	}
	if _, _, errno := unix.Syscall(unix.SYS_EXECVE, 0, 0, 0); !p.Programs && errno != unix.EPERM {
		return fmt.Errorf("it may start programs (%w)", errno)
	}
	return nil
}

// refused reports whether a wall is why something failed.
func refused(err error) bool { return errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) }

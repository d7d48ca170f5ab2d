package e2e

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

const canTrace = true

// argument kinds of the calls of interest, in the order of the registers.
const (
	argNone = iota
	argFD   // a file that is open
	argDir  // a directory that the path after it is relative to
	argPath
)

type call struct {
	name string
	args [4]int
}

// calls are the system calls that change a file or make a change durable.
var calls = map[uint64]call{
	unix.SYS_WRITE:           {"write", [4]int{argFD}},
	unix.SYS_PWRITE64:        {"pwrite64", [4]int{argFD}},
	unix.SYS_WRITEV:          {"writev", [4]int{argFD}},
	unix.SYS_PWRITEV:         {"pwritev", [4]int{argFD}},
	unix.SYS_PWRITEV2:        {"pwritev2", [4]int{argFD}},
	unix.SYS_COPY_FILE_RANGE: {"copy_file_range", [4]int{argNone, argNone, argFD}},
	unix.SYS_SPLICE:          {"splice", [4]int{argNone, argNone, argFD}},
	unix.SYS_SENDFILE:        {"sendfile", [4]int{argFD}},
	unix.SYS_FTRUNCATE:       {"ftruncate", [4]int{argFD}},
	unix.SYS_TRUNCATE:        {"truncate", [4]int{argPath}},
	unix.SYS_FALLOCATE:       {"fallocate", [4]int{argFD}},
	unix.SYS_FSYNC:           {"fsync", [4]int{argFD}},
	unix.SYS_FDATASYNC:       {"fdatasync", [4]int{argFD}},
	unix.SYS_SYNCFS:          {"syncfs", [4]int{argFD}},
	unix.SYS_SYNC_FILE_RANGE: {"sync_file_range", [4]int{argFD}},
	unix.SYS_OPEN:            {"open", [4]int{argPath}},
	unix.SYS_OPENAT:          {"openat", [4]int{argDir, argPath}},
	unix.SYS_OPENAT2:         {"openat2", [4]int{argDir, argPath}},
	unix.SYS_RENAME:          {"rename", [4]int{argPath, argPath}},
	unix.SYS_RENAMEAT:        {"renameat", [4]int{argDir, argPath, argDir, argPath}},
	unix.SYS_RENAMEAT2:       {"renameat2", [4]int{argDir, argPath, argDir, argPath}},
	unix.SYS_LINK:            {"link", [4]int{argPath, argPath}},
	unix.SYS_LINKAT:          {"linkat", [4]int{argDir, argPath, argDir, argPath}},
	unix.SYS_SYMLINK:         {"symlink", [4]int{argNone, argPath}},
	unix.SYS_SYMLINKAT:       {"symlinkat", [4]int{argNone, argDir, argPath}},
	unix.SYS_UNLINK:          {"unlink", [4]int{argPath}},
	unix.SYS_UNLINKAT:        {"unlinkat", [4]int{argDir, argPath}},
	unix.SYS_RMDIR:           {"rmdir", [4]int{argPath}},
	unix.SYS_MKDIR:           {"mkdir", [4]int{argPath}},
	unix.SYS_MKDIRAT:         {"mkdirat", [4]int{argDir, argPath}},
	unix.SYS_CHMOD:           {"chmod", [4]int{argPath}},
	unix.SYS_FCHMOD:          {"fchmod", [4]int{argFD}},
	unix.SYS_FCHMODAT:        {"fchmodat", [4]int{argDir, argPath}},
	unix.SYS_FCHMODAT2:       {"fchmodat2", [4]int{argDir, argPath}},
	unix.SYS_FCHOWN:          {"fchown", [4]int{argFD}},
	unix.SYS_FCHOWNAT:        {"fchownat", [4]int{argDir, argPath}},
	unix.SYS_LCHOWN:          {"lchown", [4]int{argPath}},
	unix.SYS_UTIMENSAT:       {"utimensat", [4]int{argDir, argPath}},
}

// becomeFiltered installs a filter that reports calls to the tracer, and
// replaces this process by argv.
func becomeFiltered(argv []string) error {
	const dataNr, dataArch = 0, 4 // offsets in struct seccomp_data
	code := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: dataArch},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.AUDIT_ARCH_X86_64, Jt: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: dataNr},
	}
	for nr := range calls {
		code = append(code,
			unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: uint32(nr), Jf: 1},
			unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_TRACE})
	}
	code = append(code, unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW})
	prog := unix.SockFprog{Len: uint16(len(code)), Filter: &code[0]}

	runtime.LockOSThread() // the filter belongs to the thread that execs
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("giving up new privileges: %w", err)
	}
	if err := unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&prog)), 0, 0); err != nil {
		return fmt.Errorf("installing the filter: %w", err)
	}
	return unix.Exec(argv[0], argv, os.Environ())
}

// A tracer is the state of one tracing.
type tracer struct {
	tracing
	leader int // of the agent
	log    *os.File
	armed  bool
	calls  int          // that counted
	hits   int          // of those, the ones that match
	lying  map[int]bool // threads whose call is to be reported as failed
}

// trace runs argv until it ends and returns its exit status, 137 if it was
// killed. SIGTERM is passed on; SIGUSR1 kills the agent, never the tracer, so
// that whoever waits for the tracer has waited for the agent.
func trace(spec tracing, argv []string) (int, error) {
	runtime.LockOSThread() // ptrace knows threads, not processes
	log, err := os.OpenFile(spec.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return 0, err
	}
	defer log.Close()
	self, err := os.Executable()
	if err != nil {
		return 0, err
	}
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, unix.SIGTERM, unix.SIGUSR1)
	pid, err := start(self, argv)
	if err != nil {
		return 0, err
	}
	go func() {
		for s := range signals {
			to := unix.SIGKILL
			if s == unix.SIGTERM {
				to = unix.SIGTERM
			}
			_ = unix.Kill(pid, to)
		}
	}()
	t := &tracer{tracing: spec, leader: pid, log: log, armed: spec.Arm == "", lying: map[int]bool{}}
	return t.loop()
}

// start starts this binary as the one that installs the filter, and traces it.
func start(self string, argv []string) (int, error) {
	pid, err := syscall.ForkExec(self, append([]string{self}, argv...), &syscall.ProcAttr{
		Env:   append(os.Environ(), filterVar+"=1"),
		Files: []uintptr{0, 1, 2},
		Sys:   &syscall.SysProcAttr{Ptrace: true},
	})
	if err != nil {
		return 0, fmt.Errorf("starting %s: %w", argv[0], err)
	}
	var ws unix.WaitStatus
	if _, err := unix.Wait4(pid, &ws, unix.WALL, nil); err != nil || !ws.Stopped() {
		return 0, fmt.Errorf("the agent did not stop to be traced: %v, status %v", err, ws)
	}
	const options = unix.PTRACE_O_TRACECLONE | unix.PTRACE_O_TRACEFORK | unix.PTRACE_O_TRACEVFORK |
		unix.PTRACE_O_TRACEEXEC | unix.PTRACE_O_TRACESECCOMP | unix.PTRACE_O_TRACESYSGOOD | unix.PTRACE_O_EXITKILL
	if err := unix.PtraceSetOptions(pid, options); err != nil {
		return 0, fmt.Errorf("tracing: %w", err)
	}
	return pid, unix.PtraceCont(pid, 0)
}

// loop answers the stops of all threads until the agent is gone.
func (t *tracer) loop() (int, error) {
	known := map[int]bool{t.leader: true}
	for {
		var ws unix.WaitStatus
		tid, err := unix.Wait4(-1, &ws, unix.WALL, nil)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return 0, fmt.Errorf("waiting: %w", err)
		}
		switch {
		case ws.Exited() && tid == t.leader:
			return ws.ExitStatus(), nil
		case ws.Signaled() && tid == t.leader:
			return 128 + int(ws.Signal()), nil
		case !ws.Stopped():
			continue
		}
		if err := t.stopped(tid, ws, known); err != nil && !errors.Is(err, unix.ESRCH) {
			return 0, err // ESRCH: it was killed meanwhile
		}
	}
}

// stopped answers one stop of one thread and lets it go on.
func (t *tracer) stopped(tid int, ws unix.WaitStatus, known map[int]bool) error {
	first := !known[tid]
	known[tid] = true
	switch sig := ws.StopSignal(); {
	case sig == unix.SIGTRAP && ws.TrapCause() == unix.PTRACE_EVENT_SECCOMP:
		return t.called(tid)
	case sig == unix.SIGTRAP && ws.TrapCause() > 0:
		return unix.PtraceCont(tid, 0)
	case sig == unix.SIGTRAP|0x80:
		if t.lying[tid] {
			delete(t.lying, tid)
			if err := t.setResult(tid, false); err != nil {
				return err
			}
		}
		return unix.PtraceCont(tid, 0)
	case first && sig == unix.SIGSTOP: // every new thread starts like this
		return unix.PtraceCont(tid, 0)
	default:
		return unix.PtraceCont(tid, int(sig))
	}
}

// called looks at a system call that is about to be made, and strikes.
func (t *tracer) called(tid int) error {
	var regs unix.PtraceRegs
	if err := unix.PtraceGetRegs(tid, &regs); err != nil {
		return err
	}
	line, counts := t.describe(tid, &regs)
	if counts && !t.armed {
		_, err := os.Stat(t.Arm)
		t.armed = err == nil
	}
	if !counts || !t.armed {
		return unix.PtraceCont(tid, 0)
	}
	t.calls++
	struck := t.Strike != strikeNone && strings.Contains(line, t.Match)
	if struck {
		t.hits++
		struck = t.hits == t.At
	}
	if struck {
		line += " <- " + string(t.Strike)
	}
	fmt.Fprintf(t.log, "%d %s\n", t.calls, line)
	if !struck {
		return unix.PtraceCont(tid, 0)
	}
	switch t.Strike {
	case strikeKill:
		return unix.Kill(t.leader, unix.SIGKILL)
	case strikeFail:
		if err := t.setResult(tid, true); err != nil {
			return err
		}
		return unix.PtraceCont(tid, 0)
	default: // strikeLie: stop again when the call is done
		t.lying[tid] = true
		return unix.PtraceSyscall(tid, 0)
	}
}

// setResult makes the call of tid return the error. With skip it has not been
// made yet and is not made at all.
func (t *tracer) setResult(tid int, skip bool) error {
	var regs unix.PtraceRegs
	if err := unix.PtraceGetRegs(tid, &regs); err != nil {
		return err
	}
	if skip {
		regs.Orig_rax = ^uint64(0)
	}
	regs.Rax = uint64(-int64(t.Errno))
	return unix.PtraceSetRegs(tid, &regs)
}

// describe returns what the call is and whether it counts.
func (t *tracer) describe(tid int, regs *unix.PtraceRegs) (line string, counts bool) {
	c, ok := calls[regs.Orig_rax]
	if !ok {
		return "", false
	}
	if !t.writes(tid, regs) {
		return "", false
	}
	values := [4]uint64{regs.Rdi, regs.Rsi, regs.Rdx, regs.R10}
	line = c.name
	dir := ""
	for i, kind := range c.args {
		var path string
		switch kind {
		case argNone:
			continue
		case argDir:
			dir = openPath(tid, int32(values[i]))
			continue
		case argFD:
			path = openPath(tid, int32(values[i]))
		case argPath:
			path = filepath.Clean(readString(tid, uintptr(values[i])))
			if !filepath.IsAbs(path) {
				path = filepath.Join(dir, path)
			}
		}
		for _, u := range t.Under {
			counts = counts || path == u || strings.HasPrefix(path, u+"/")
		}
		line += " " + path
	}
	return line, counts
}

// writes reports whether the call can change anything: opening a file to read
// it does not.
func (t *tracer) writes(tid int, regs *unix.PtraceRegs) bool {
	var flags uint64
	switch regs.Orig_rax {
	case unix.SYS_OPEN:
		flags = regs.Rsi
	case unix.SYS_OPENAT:
		flags = regs.Rdx
	case unix.SYS_OPENAT2:
		var how [8]byte // struct open_how starts with the flags
		if _, err := unix.PtracePeekData(tid, uintptr(regs.Rdx), how[:]); err != nil {
			return false
		}
		flags = binary.LittleEndian.Uint64(how[:])
	default:
		return true
	}
	return flags&(unix.O_CREAT|unix.O_TRUNC) != 0
}

// openPath returns what descriptor fd of a thread stands for.
func openPath(tid int, fd int32) string {
	link := fmt.Sprintf("/proc/%d/fd/%d", tid, fd)
	if fd == unix.AT_FDCWD {
		link = fmt.Sprintf("/proc/%d/cwd", tid)
	}
	path, _ := os.Readlink(link)
	return strings.TrimSuffix(path, " (deleted)")
}

// readString returns the string that ends in NUL at addr.
func readString(tid int, addr uintptr) string {
	if addr == 0 {
		return ""
	}
	mem, err := os.Open(fmt.Sprintf("/proc/%d/mem", tid))
	if err != nil {
		return ""
	}
	defer mem.Close()
	buf := make([]byte, unix.PathMax)
	n, _ := mem.ReadAt(buf, int64(addr)) // may end early at an unmapped page
	if i := bytes.IndexByte(buf[:n], 0); i >= 0 {
		return string(buf[:i])
	}
	return ""
}

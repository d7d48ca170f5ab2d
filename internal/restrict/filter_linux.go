//go:build amd64 || arm64

package restrict

import (
	"errors"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// filters: there is one for this processor.
const filters = true

// What the kernel shows a filter of a system call, see seccomp_data in
// linux/seccomp.h: its number, the architecture, where it was made, six
// arguments of 64 bits. Both architectures that there are filters for store the
// lower half of a number first.
const (
	offsetNumber       = 0
	offsetArchitecture = 4
	offsetArguments    = 16
)

// A check is one condition on an argument: its lower 32 bits under mask are value.
type check struct {
	argument    uint32
	mask, value uint32
}

// A rule says of one system call whether there is any. Without conditions it is
// always so; else if all checks of one of when hold.
type rule struct {
	number uintptr
	when   [][]check
	// allowed means that when says what is allowed of the call, in a filter of what
	// is not.
	allowed bool
}

// A filter decides about system calls: those listed get hit, others miss. Answers
// are those of seccomp(2).
type filter struct {
	rules     []rule
	hit, miss uint32
	// special are calls with an answer of their own, before all others.
	special map[uintptr]uint32
}

const (
	answerAllow  = unix.SECCOMP_RET_ALLOW
	answerRefuse = unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)
	answerAbsent = unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)
)

// calls raises the wall of system calls on all threads at once.
func calls(p Policy, r *Report) error {
	f := filterOf(p, os.Getpid())
	program, err := f.assemble()
	if err != nil {
		return fmt.Errorf("making the filter of system calls: %w", err)
	}
	switch err := load(program); {
	case errors.Is(err, unix.ENOSYS), errors.Is(err, unix.EINVAL):
		r.missing(WallCalls, "this kernel has no seccomp filters: %v", err)
	case errors.Is(err, unix.EPERM):
		r.missing(WallCalls, "%s", otherFilter)
	case err != nil:
		return fmt.Errorf("raising the filter of system calls: %w", err)
	case f.hit == answerAllow:
		r.up(WallCalls, "%d system calls are left", len(f.rules))
	default:
		r.up(WallCalls, "%d system calls are taken", len(f.rules)+len(f.special))
	}
	return nil
}

func load(program []unix.SockFilter) error {
	prog := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	thread, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC,
		uintptr(unsafe.Pointer(&prog)))
	switch {
	case errno != 0:
		return errno
	case thread != 0:
		return fmt.Errorf("thread %d could not be given the filter", thread)
	}
	return nil
}

// assemble makes the program. A call of another architecture, and on amd64 one of
// x32, whose numbers mean others, is refused.
func (f filter) assemble() ([]unix.SockFilter, error) {
	program := []bpf.Instruction{
		bpf.LoadAbsolute{Off: offsetArchitecture, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: architecture, SkipTrue: 1},
		bpf.RetConstant{Val: answerRefuse},
		bpf.LoadAbsolute{Off: offsetNumber, Size: 4},
	}
	if x32 != 0 {
		program = append(program,
			bpf.JumpIf{Cond: bpf.JumpBitsNotSet, Val: x32, SkipTrue: 1},
			bpf.RetConstant{Val: answerRefuse})
	}
	for number, answer := range f.special {
		program = append(program,
			bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: uint32(number), SkipTrue: 1},
			bpf.RetConstant{Val: answer})
	}
	for _, r := range f.rules {
		body := f.body(r)
		if len(body) > 255 {
			return nil, fmt.Errorf("the rule of system call %d is too long", r.number)
		}
		program = append(program, bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: uint32(r.number), SkipTrue: uint8(len(body))})
		program = append(program, body...)
	}
	raw, err := bpf.Assemble(append(program, bpf.RetConstant{Val: f.miss}))
	if err != nil {
		return nil, err
	}
	out := make([]unix.SockFilter, len(raw))
	for i, in := range raw {
		out[i] = unix.SockFilter{Code: in.Op, Jt: in.Jt, Jf: in.Jf, K: in.K}
	}
	return out, nil
}

// body is what is done about a call with the number of r; it always answers.
func (f filter) body(r rule) (out []bpf.Instruction) {
	hit, miss := f.hit, f.miss
	if r.allowed {
		hit, miss = answerAllow, answerRefuse
	}
	if len(r.when) == 0 {
		return []bpf.Instruction{bpf.RetConstant{Val: hit}}
	}
	for _, all := range r.when {
		for i, c := range all {
			// When a check fails, what is left of this alternative is passed over:
			// three instructions for each further check, and the answer.
			rest := uint8(3*(len(all)-1-i) + 1)
			out = append(out,
				bpf.LoadAbsolute{Off: offsetArguments + 8*c.argument, Size: 4},
				bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: c.mask},
				bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: c.value, SkipTrue: rest})
		}
		out = append(out, bpf.RetConstant{Val: hit})
	}
	return append(out, bpf.RetConstant{Val: miss})
}

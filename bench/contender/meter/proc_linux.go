package meter

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// tick is the unit of the times in /proc/PID/stat: USER_HZ, which is 100 on
// every architecture that Go knows on Linux.
const tick = 10 * time.Millisecond

// ProcessorTime is the CPU time that a process has used, together with its
// children that it has waited for, and theirs.
func ProcessorTime(pid int) (time.Duration, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	return parseStat(stat)
}

// Busy is the CPU time that the threads of a process that live now have used,
// in the finest units that the kernel has.
func Busy(pid int) (time.Duration, error) {
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if err != nil {
		return 0, err
	}
	var sum time.Duration
	for _, name := range tasks {
		stat, err := os.ReadFile(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue // it has just ended
		}
		if err != nil {
			return 0, err
		}
		first, _, _ := strings.Cut(string(stat), " ")
		n, err := strconv.ParseInt(first, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("the time in a schedstat: %w", err)
		}
		sum += time.Duration(n)
	}
	return sum, nil
}

// parseStat adds up utime, stime, cutime and cstime, fields 14 to 17 of
// proc_pid_stat(5). The name of the command, field 2, may hold anything, so
// fields are counted from its last parenthesis.
func parseStat(stat []byte) (time.Duration, error) {
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 15 {
		return 0, errors.New("a stat line is too short")
	}
	var sum time.Duration
	for _, f := range fields[11:15] {
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("a time in a stat line: %w", err)
		}
		sum += time.Duration(n) * tick
	}
	return sum, nil
}

// resetPeak makes the kernel count the peak memory of a process anew.
func resetPeak(pid int) error {
	return os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0)
}

// Peak is the most resident memory that a process has had, in bytes.
func Peak(pid int) (int64, error) { return statusLine(pid, "VmHWM:") }

// Private is the memory that a process has resident now and that is of no file,
// in bytes: what nobody else can share and the kernel cannot drop.
func Private(pid int) (int64, error) { return statusLine(pid, "RssAnon:") }

// Resident is the resident memory of a process, in bytes.
func Resident(pid int) (int64, error) { return statusLine(pid, "VmRSS:") }

func statusLine(pid int, key string) (int64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	return parseStatus(string(status), key)
}

// parseStatus finds "KEY:   123 kB" in /proc/PID/status.
func parseStatus(status, key string) (int64, error) {
	for line := range strings.Lines(status) {
		rest, found := strings.CutPrefix(line, key)
		if !found {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
		return n << 10, err
	}
	return 0, fmt.Errorf("the status has no %s", key)
}

// A Tree is what a process and all below it use.
type Tree struct {
	// Processes counts them.
	Processes int
	// CPU is what they have used, together with those that have ended.
	CPU time.Duration
	// Resident is their memory in bytes, of which what they share counts once.
	Resident int64
}

// Weigh weighs a process and all below it; what ends while it is looked at is left out.
func Weigh(pid int) (t Tree, err error) {
	for _, p := range append(descendants(pid), pid) {
		cpu, err := ProcessorTime(p)
		if errors.Is(err, fs.ErrNotExist) && p != pid {
			continue
		}
		if err != nil {
			return Tree{}, err
		}
		rollup, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", p))
		if p != pid && (errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH)) {
			continue
		}
		if err != nil {
			return Tree{}, err
		}
		n, err := parseStatus(string(rollup), "Pss:")
		if err != nil {
			return Tree{}, err
		}
		t.Processes++
		t.CPU += cpu
		t.Resident += n
	}
	return t, nil
}

// descendants are the processes below pid that live now; what ends while it is
// looked at is left out.
func descendants(pid int) []int {
	var out []int
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		return nil
	}
	for _, t := range tasks {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/children", pid, t.Name()))
		if err != nil {
			continue
		}
		for _, f := range strings.Fields(string(b)) {
			child, err := strconv.Atoi(f)
			if err != nil {
				continue
			}
			out = append(append(out, child), descendants(child)...)
		}
	}
	return out
}

// Loopback is the number of bytes that have gone over the loopback device of
// this network namespace, with all headers.
func Loopback() (int64, error) {
	dev, err := os.ReadFile("/proc/thread-self/net/dev")
	if err != nil {
		return 0, err
	}
	return parseDevice(string(dev), "lo")
}

// parseDevice reads the bytes transmitted of a device in /proc/net/dev.
func parseDevice(text, device string) (int64, error) {
	for line := range strings.Lines(text) {
		name, counters, found := strings.Cut(line, ":")
		if !found || strings.TrimSpace(name) != device {
			continue
		}
		f := strings.Fields(counters)
		if len(f) < 9 {
			break
		}
		return strconv.ParseInt(f[8], 10, 64)
	}
	return 0, fmt.Errorf("there are no counters of %s", device)
}

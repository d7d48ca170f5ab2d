package restrict

import (
	"fmt"
	"runtime"
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"
)

// maxCapability is more than there are; the kernel says which it does not know.
const maxCapability = 63

// A capabilitySet is what capget(2) and capset(2) exchange, version 3.
type capabilitySet [2]unix.CapUserData

func setOf(list []int) (s capabilitySet) {
	for _, c := range list {
		if c < 0 || c > maxCapability {
			continue
		}
		s[c/32].Effective |= 1 << (c % 32)
		s[c/32].Permitted |= 1 << (c % 32)
	}
	return s
}

func currentSet() (s capabilitySet, err error) {
	h := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	return s, unix.Capget(&h, &s[0])
}

func hasCapability(c int) bool {
	s, err := currentSet()
	return err == nil && s[c/32].Effective&(1<<(c%32)) != 0
}

// capabilities empties all sets but for what the policy keeps.
func capabilities(p Policy, r *Report) error {
	bounded := hasCapability(unix.CAP_SETPCAP)
	for c := 0; bounded && c <= maxCapability; c++ {
		if in, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, uintptr(c), 0, 0, 0); err != nil || in == 0 || slices.Contains(p.Keep, c) {
			continue // EINVAL: there is no such capability
		}
		if err := allThreadsPrctl(unix.PR_CAPBSET_DROP, uintptr(c), 0, 0, 0); err != nil {
			return fmt.Errorf("taking capability %d from the bounding set: %w", c, err)
		}
	}
	if err := allThreadsPrctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); err != nil {
		return fmt.Errorf("emptying the ambient set: %w", err)
	}
	now, err := currentSet()
	if err != nil {
		return fmt.Errorf("reading capabilities: %w", err)
	}
	want := setOf(p.Keep)
	for i := range want { // what it does not have it cannot keep
		want[i].Permitted &= now[i].Permitted
		want[i].Effective = want[i].Permitted
	}
	if err := setCapabilities(want); err != nil {
		return fmt.Errorf("giving up capabilities: %w", err)
	}
	kept := "none"
	if n := count(want); n > 0 {
		kept = fmt.Sprintf("it keeps %d", n)
	}
	if bounded {
		r.up(WallCapabilities, "%s; the bounding set is as small", kept)
	} else {
		r.up(WallCapabilities, "%s; the bounding set could not be made smaller, and is without effect under no_new_privs", kept)
	}
	return nil
}

// setCapabilities does it on all threads: a thread has sets of its own.
func setCapabilities(s capabilitySet) error {
	h := &unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	data := &s
	var pin runtime.Pinner // the addresses are numbers on their way
	pin.Pin(h)
	pin.Pin(data)
	defer pin.Unpin()
	return allThreads(unix.SYS_CAPSET, uintptr(unsafe.Pointer(h)), uintptr(unsafe.Pointer(data)), 0, 0, 0)
}

func count(s capabilitySet) (n int) {
	for _, d := range s {
		for v := d.Permitted; v != 0; v &= v - 1 {
			n++
		}
	}
	return n
}

// verifyCapabilities says which capability there is that should not be.
func verifyCapabilities(p Policy) error {
	now, err := currentSet()
	if err != nil {
		return fmt.Errorf("reading capabilities: %w", err)
	}
	allowed := setOf(p.Keep)
	for i := range now {
		if extra := (now[i].Effective | now[i].Permitted | now[i].Inheritable) &^ allowed[i].Permitted; extra != 0 {
			return fmt.Errorf("it still has capabilities: %#x in word %d", extra, i)
		}
	}
	for c := 0; c <= maxCapability; c++ {
		if in, err := unix.PrctlRetInt(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_IS_SET, uintptr(c), 0, 0); err == nil && in != 0 {
			return fmt.Errorf("it still has capability %d in the ambient set", c)
		}
	}
	return nil
}

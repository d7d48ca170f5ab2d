package main

import (
	"fmt"
	"os"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// inside is the variable that tells the program that it has its own network
// already; its value is the directory with what was made before.
const inside = "MFT_BENCH_INSIDE"

// isolate goes on as the same process in a network namespace of its own, where
// only its own bytes cross the loopback device. It returns only if that fails.
func isolate(dir string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	// A namespace belongs to a thread, and the thread that calls execve becomes
	// the process.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("making a network namespace: %w", err)
	}
	if err := raise("lo"); err != nil {
		return err
	}
	return syscall.Exec(self, os.Args, append(os.Environ(), inside+"="+dir))
}

// raise brings up a network device of this namespace.
func raise(device string) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	req, err := unix.NewIfreq(device)
	if err != nil {
		return err
	}
	req.SetUint16(unix.IFF_UP)
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, req); err != nil {
		return fmt.Errorf("bringing up %s: %w", device, err)
	}
	return nil
}

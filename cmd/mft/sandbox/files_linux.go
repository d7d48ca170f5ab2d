package sandbox

import (
	"fmt"
	"os/exec"
	"path/filepath"

	"golang.org/x/sys/unix"

	"mft.dev/mft/internal/restrict"
)

// Roles that may do what others may not.
var (
	supervisor = []restrict.Role{restrict.RoleSupervisor}
	free       = []restrict.Role{restrict.RoleSupervisor, restrict.RoleAgent} // without walls of files and ports
	starters   = []restrict.Role{restrict.RoleSupervisor, restrict.RoleAgent, restrict.RoleExit}
	dialers    = []restrict.Role{restrict.RoleSupervisor, restrict.RoleAgent, restrict.RoleNetwork}
)

func acts() [][]act {
	return [][]act{fileActs(), processActs(), networkActs(), rightsActs(), viewActs(), kernelActs()}
}

// open opens and closes. It neither reads nor writes.
func open(path string, flags int) error {
	fd, err := unix.Open(path, flags|unix.O_CLOEXEC|unix.O_NONBLOCK, 0o600)
	if err == nil {
		_ = unix.Close(fd)
	}
	return err
}

func fileActs() []act {
	outside := func(here place, name string) string { return filepath.Join(here.Outside, name) }
	return []act{
		{"read the keys of the agent", free, func(here place) error { return open(here.Keys, unix.O_RDONLY) }},
		{"read /etc/shadow", supervisor, func(place) error { return open("/etc/shadow", unix.O_RDONLY) }},
		{"read a file outside", free, func(here place) error { return open(outside(here, "readable"), unix.O_RDONLY) }},
		{"write a file outside", free, func(here place) error { return open(outside(here, "readable"), unix.O_WRONLY) }},
		{"read through a link that leads outside", free, func(here place) error {
			return open(filepath.Join(here.Inside, "link"), unix.O_RDONLY)
		}},
		{"read outside by ..", free, func(here place) error {
			return open(here.Inside+"/../outside/readable", unix.O_RDONLY)
		}},
		{"read outside through /proc/self/root", free, func(here place) error {
			return open("/proc/self/root"+outside(here, "readable"), unix.O_RDONLY)
		}},
		{"make a file outside", free, func(here place) error { return open(outside(here, "new"), unix.O_WRONLY|unix.O_CREAT) }},
		{"make a file without a name outside", free, func(here place) error { return open(here.Outside, unix.O_WRONLY|unix.O_TMPFILE) }},
		{"make a directory outside", free, func(here place) error {
			return unix.Mkdirat(unix.AT_FDCWD, outside(here, "directory"), 0o700)
		}},
		{"make a link outside", free, func(here place) error {
			return unix.Symlinkat("readable", unix.AT_FDCWD, outside(here, "symlink"))
		}},
		{"link a file from outside", free, func(here place) error {
			return unix.Linkat(unix.AT_FDCWD, outside(here, "readable"), unix.AT_FDCWD, filepath.Join(here.Inside, "linked"), 0)
		}},
		{"move a file from outside", free, func(here place) error {
			return unix.Renameat(unix.AT_FDCWD, outside(here, "second"), unix.AT_FDCWD, filepath.Join(here.Inside, "moved"))
		}},
		{"remove a file outside", free, func(here place) error {
			return unix.Unlinkat(unix.AT_FDCWD, outside(here, "victim"), 0)
		}},
		{"truncate a file outside", free, func(here place) error { return unix.Truncate(outside(here, "third"), 0) }},
		{"make a device", free, func(here place) error {
			// That of /dev/null, in the probe's own directory.
			return unix.Mknodat(unix.AT_FDCWD, filepath.Join(here.Inside, "device"), unix.S_IFCHR|0o600, int(unix.Mkdev(1, 3)))
		}},
		{"open a file by its handle", nil, func(here place) error {
			_, err := unix.OpenByHandleAt(unix.AT_FDCWD, unix.NewFileHandle(1, []byte("12345678")), unix.O_RDONLY)
			return err
		}},
		{"read the memory of another process", free, func(here place) error {
			return open(fmt.Sprintf("/proc/%d/mem", here.Parent), unix.O_RDONLY)
		}},
		{"read the variables of another process", free, func(here place) error {
			return open(fmt.Sprintf("/proc/%d/environ", here.Parent), unix.O_RDONLY)
		}},
		{"list the root directory", starters, func(place) error { return open("/", unix.O_RDONLY|unix.O_DIRECTORY) }},
		{"start a program", []restrict.Role{restrict.RoleSupervisor, restrict.RoleExit}, func(place) error { return exec.Command("/bin/true").Run() }},
		{"start this program again", starters, func(place) error { return exec.Command(self(), "version").Run() }},
	}
}

func networkActs() []act {
	return []act{
		{"bind a TCP port", free, func(place) error { return bind(unix.SOCK_STREAM, 0) }},
		{"bind a UDP port", free, func(place) error { return bind(unix.SOCK_DGRAM, 0) }},
		{"make a socket of MPTCP", nil, func(place) error { return socket(unix.AF_INET, unix.SOCK_STREAM, unix.IPPROTO_MPTCP) }},
		{"make a socket of MPTCP over IPv6", nil, func(place) error { return socket(unix.AF_INET6, unix.SOCK_STREAM, unix.IPPROTO_MPTCP) }},
		{"make a socket of SCTP", nil, func(place) error { return socket(unix.AF_INET, unix.SOCK_STREAM, unix.IPPROTO_SCTP) }},
		{"make a raw socket", nil, func(place) error { return socket(unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_ICMP) }},
		{"make a socket of packets", nil, func(place) error { return socket(unix.AF_PACKET, unix.SOCK_DGRAM, 0) }},
		{"make a socket of netlink's audit", nil, func(place) error { return socket(unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_AUDIT) }},
		{"make a socket to the kernel's ciphers", nil, func(place) error { return socket(unix.AF_ALG, unix.SOCK_SEQPACKET, 0) }},
		{"make a socket to other machines of the host", nil, func(place) error { return socket(unix.AF_VSOCK, unix.SOCK_STREAM, 0) }},
		{"connect to a TCP port", dialers, func(here place) error {
			return connect(unix.AF_INET, &unix.SockaddrInet4{Port: here.Port, Addr: [4]byte{127, 0, 0, 1}})
		}},
		{"connect to an abstract socket", free, func(here place) error {
			return connect(unix.AF_UNIX, &unix.SockaddrUnix{Name: here.Abstract})
		}},
		{"connect to a socket of a path", starters, func(here place) error {
			return connect(unix.AF_UNIX, &unix.SockaddrUnix{Name: here.Socket})
		}},
	}
}

func socket(family, typ, protocol int) error {
	fd, err := unix.Socket(family, typ|unix.SOCK_CLOEXEC, protocol)
	if err == nil {
		_ = unix.Close(fd)
	}
	return err
}

func bind(typ, protocol int) error {
	fd, err := unix.Socket(unix.AF_INET, typ|unix.SOCK_CLOEXEC, protocol)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}})
}

func connect(family int, to unix.Sockaddr) error {
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Connect(fd, to)
}

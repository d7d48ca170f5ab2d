package restrict

import (
	"bytes"
	"debug/elf"
	"io"
)

// Network is the policy of the process that talks to peers: it may connect to
// any TCP port, for peers choose theirs, and to name servers. It listens on
// sockets that it was started with. files are those it may read, if they are
// there: see Resolver.
func Network(files []string) Policy {
	return Policy{Role: RoleNetwork, Optional: files, Sockets: SocketsInternet, AnyPort: true, Require: base()}
}

// Resolver lists the files from which Go's resolver learns how to find names.
func Resolver() []string {
	return []string{"/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/services", "/etc/protocols"}
}

// Keys is the policy of the process that signs: nothing but the descriptors that it was
// started with, and the directory where rotated keys are written.
func Keys(directory string) Policy {
	return Policy{Role: RoleKeys, Write: []string{directory}, Require: base()}
}

// Worker is the policy of the process that reads and writes the files of one
// channel. Its sockets are those that it is sent.
func Worker(read, write []string) Policy {
	return Policy{Role: RoleWorker, Read: read, Write: write, Require: base()}
}

// Exit is the policy of a command that runs because of a transfer: everything that
// its user may, but not below the hidden directories, and without the network if
// it is not given one.
func Exit(network bool, hidden ...string) Policy {
	p := Policy{Role: RoleExit, AllFiles: true, Hidden: hidden, Sockets: SocketsUnix, Programs: true, AnyPort: network, Require: base()}
	if network {
		p.Sockets |= SocketsInternet
	}
	return p
}

// Supervisor is the policy of the process that starts the others and opens what
// they are given. keep are the capabilities that it needs for that.
func Supervisor(keep ...int) Policy {
	return Policy{
		Role: RoleSupervisor, AllFiles: true, Sockets: SocketsUnix | SocketsInternet, AnyPort: true, Programs: true, Keep: keep,
		Require: base(),
	}
}

// Agent is the policy of the process that decides. It has every file of its user, since an
// operator may have it copy any, executes nothing but itself, for the process of the keys, and has no
// capability.
func Agent() Policy {
	p := Launcher()
	p.Execute = itself()
	return p
}

// itself lists what has to be executed to start this program again: also what the system loads
// it by, if it was built with C.
func itself() []string {
	const program = "/proc/self/exe"
	list := []string{program}
	f, err := elf.Open(program)
	if err != nil {
		return list
	}
	defer f.Close()
	for _, part := range f.Progs {
		if part.Type != elf.PT_INTERP {
			continue
		}
		if loader, err := io.ReadAll(io.LimitReader(part.Open(), 4096)); err == nil {
			list = append(list, string(bytes.TrimRight(loader, "\x00")))
		}
	}
	return list
}

// Launcher is the policy of the process that starts a command and waits for it: that of an agent,
// but it executes any file of its user.
func Launcher() Policy {
	return Policy{
		Role: RoleAgent, AllFiles: true, Sockets: SocketsUnix | SocketsInternet, AnyPort: true, Programs: true, Require: base(),
	}
}

// starts reports whether processes of a role start others, which are confined on their own.
func (r Role) starts() bool { return r == RoleSupervisor || r == RoleAgent }

// base are the walls that every Linux that mft runs on has.
func base() []Wall { return []Wall{WallUser, WallMemory, WallPrivileges, WallCapabilities} }

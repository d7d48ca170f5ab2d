package post

import (
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// Pair returns two connected ends: one for this process, one to be given away.
func Pair() (here *Conn, there *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("making a pair of sockets: %w", err)
	}
	there = os.NewFile(uintptr(fds[1]), "post")
	if here, err = Open(os.NewFile(uintptr(fds[0]), "post")); err != nil {
		there.Close()
		return nil, nil, err
	}
	return here, there, nil
}

// Files returns two connected ends, both to be given away.
func Files() (one, other *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("making a pair of sockets: %w", err)
	}
	return os.NewFile(uintptr(fds[0]), "post"), os.NewFile(uintptr(fds[1]), "post"), nil
}

// Open makes an end of a file that this process was given, and closes that. The
// error says that it is no Unix socket.
func Open(f *os.File) (*Conn, error) {
	conn, err := Dialled(f)
	if err != nil {
		return nil, err
	}
	socket, ok := conn.(*net.UnixConn)
	if !ok {
		conn.Close()
		return nil, errors.New("the file that was given is no Unix socket")
	}
	return New(socket), nil
}

// Dialled makes a connection of a file that this process was given, and closes that.
func Dialled(f *os.File) (net.Conn, error) {
	defer f.Close()
	conn, err := net.FileConn(f)
	if err != nil {
		return nil, fmt.Errorf("using a socket that was given: %w", err)
	}
	return conn, nil
}

// sendFile sends b, or the beginning of it, with the file of a connection.
func sendFile(to *net.UnixConn, b []byte, of syscall.Conn) (n int, err error) {
	raw, err := of.SyscallConn()
	if err != nil {
		return 0, err
	}
	cerr := raw.Control(func(fd uintptr) {
		n, _, err = to.WriteMsgUnix(b, unix.UnixRights(int(fd)), nil)
	})
	return n, errors.Join(cerr, err)
}

// receive reads into p, and returns the files that came with it.
func receive(from *net.UnixConn, p []byte) (n int, files []int, err error) {
	oob := make([]byte, unix.CmsgSpace(4*4)) // more than one file is too many
	n, oobn, flags, _, err := from.ReadMsgUnix(p, oob)
	n = max(n, 0) // -1 with an error
	if oobn > 0 {
		messages, perr := unix.ParseSocketControlMessage(oob[:oobn])
		for i := range messages {
			if fds, ferr := unix.ParseUnixRights(&messages[i]); ferr == nil {
				files = append(files, fds...)
			}
		}
		if perr != nil || flags&unix.MSG_CTRUNC != 0 {
			err = errors.Join(err, errForm)
		}
	}
	return n, files, err
}

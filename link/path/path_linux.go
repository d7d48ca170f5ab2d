package path

import (
	"math"
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Measure asks the kernel about the path of a connection.
func Measure(conn net.Conn) Path {
	var p Path
	if there, ok := apart(conn); ok {
		p.RoundTrip = there.RoundTrip()
	}
	control(conn, func(fd int) {
		info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
		if err != nil {
			return
		}
		if info.Min_rtt != math.MaxUint32 { // which is none
			// The smoothed one has in it how long the peer took to answer.
			p.RoundTrip = time.Duration(info.Min_rtt) * time.Microsecond
		}
	})
	if p.Far() {
		p.BBR = mayBBR()
	}
	return p
}

// traffic returns the bytes that a connection has sent, and those of them that
// it sent again.
func traffic(conn net.Conn) (sent, again uint64) {
	control(conn, func(fd int) {
		if info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO); err == nil {
			sent, again = info.Bytes_sent, info.Bytes_retrans
		}
	})
	return sent, again
}

// mayBBR finds out whether the kernel has BBR and lets this process choose it.
func mayBBR() bool {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	return chooseBBR(fd) == nil
}

func chooseBBR(fd int) error {
	return unix.SetsockoptString(fd, unix.IPPROTO_TCP, unix.TCP_CONGESTION, "bbr")
}

// Suit prepares a connection whose handshake is done for bulk content over a
// long path: there BBR is asked for, where the kernel has it and lets this
// process choose it. Loss-based congestion control takes each lost packet
// for congestion; at 50 ms and 1 % loss it leaves less than 1 MB/s of any path.
// Nearby the choice of the host stands.
func Suit(conn net.Conn) {
	// That it could not be done only leaves the connection as it was.
	control(conn, func(fd int) {
		info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
		if err == nil && (Path{RoundTrip: time.Duration(info.Rtt) * time.Microsecond}).Far() {
			_ = chooseBBR(fd)
		}
	})
}

// control calls f with the socket of a connection, or of the one that it is
// over, unless there is none.
func control(conn net.Conn, f func(fd int)) {
	for {
		over, ok := conn.(interface{ NetConn() net.Conn })
		if !ok {
			break
		}
		conn = over.NetConn()
	}
	if sc, ok := conn.(syscall.Conn); ok {
		if raw, err := sc.SyscallConn(); err == nil {
			_ = raw.Control(func(fd uintptr) { f(int(fd)) }) // a connection that is gone tells nothing
		}
	}
}

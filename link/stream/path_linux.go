package stream

import (
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// farAway is the round trip from which a path is taken for a long one.
const farAway = 5 * time.Millisecond

// suit prepares a connection whose handshake is done for bulk content over a
// long path: there BBR is asked for, where the kernel has it and lets this
// process choose it. Loss-based congestion control takes each lost packet
// for congestion; at 50 ms and 1 % loss it leaves less than 1 MB/s of any path.
// Nearby the choice of the host stands.
func suit(conn net.Conn) {
	sc, ok := conn.(syscall.Conn)
	if !ok {
		return
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return
	}
	// That it could not be done only leaves the connection as it was.
	_ = raw.Control(func(fd uintptr) {
		info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
		if err == nil && isFar(time.Duration(info.Rtt)*time.Microsecond) {
			_ = unix.SetsockoptString(int(fd), unix.IPPROTO_TCP, unix.TCP_CONGESTION, "bbr")
		}
	})
}

// isFar judges the round trip that the kernel measured, zero for none.
func isFar(roundTrip time.Duration) bool { return roundTrip >= farAway }

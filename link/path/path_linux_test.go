package path

import (
	"net"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestSuitLeavesNearPathsAlone: on loopback the choice of the host stands.
func TestSuitLeavesNearPathsAlone(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	conn, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	congestion := func() (name string) {
		raw, err := conn.(syscall.Conn).SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		if err := raw.Control(func(fd uintptr) {
			name, err = unix.GetsockoptString(int(fd), unix.IPPROTO_TCP, unix.TCP_CONGESTION)
		}); err != nil {
			t.Fatal(err)
		}
		return name
	}
	raw, err := conn.(syscall.Conn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if err := raw.Control(func(fd uintptr) {
		_ = unix.SetsockoptString(int(fd), unix.IPPROTO_TCP, unix.TCP_CONGESTION, "reno")
	}); err != nil {
		t.Fatal(err)
	}
	before := congestion()
	Suit(conn)
	if after := congestion(); after != before {
		t.Errorf("the congestion control of a near path went from %q to %q, want it left alone", before, after)
	}
}

// away is a connection that another process has measured.
type away struct{ net.Conn }

func (away) RoundTrip() time.Duration { return 80 * time.Millisecond }

// over is one over it.
type over struct{ net.Conn }

func (o over) NetConn() net.Conn { return o.Conn }

func TestMeasuredElsewhere(t *testing.T) {
	one, other := net.Pipe()
	defer one.Close()
	defer other.Close()
	if p := Measure(over{away{one}}); !p.Far() || p.RoundTrip != 80*time.Millisecond {
		t.Errorf("Measure = %+v", p)
	}
}

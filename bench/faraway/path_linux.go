package faraway

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

const device = "far0"

// An End is one end of a path.
type End struct {
	// Address is its IP address.
	Address string
	// Namespace is a file that stands for the network namespace, for Enter; it
	// is there as long as the path is open.
	Namespace string

	net *os.File
	tun *os.File
}

// A Path is two ends and the way between them.
type Path struct {
	terms   Terms
	ends    [2]*End
	ways    [2]*conveyor
	carrier sync.WaitGroup
}

// Open makes a path on which packets go at once.
func Open(ctx context.Context, t Terms) (*Path, error) {
	p := &Path{terms: t}
	addresses := [2]string{"10.74.20.1", "10.74.20.2"}
	for i := range p.ends {
		end, err := newEnd(ctx, addresses[i], addresses[1-i], t.Congestion)
		if err != nil {
			return nil, errors.Join(err, p.Close())
		}
		p.ends[i] = end
	}
	for i := range p.ways {
		draw := rand.New(rand.NewPCG(7420, uint64(i))) // the same losses in every run
		p.ways[i] = &conveyor{shape: shaper{Terms: t, draw: draw.Float64}, in: p.ends[i].tun, out: p.ends[1-i].tun}
		p.carrier.Go(p.ways[i].run)
	}
	return p, nil
}

// Sender and Receiver are the two ends, which differ in nothing.
func (p *Path) Sender() *End { return p.ends[0] }

// Receiver is the other end.
func (p *Path) Receiver() *End { return p.ends[1] }

// Passed is how many bytes have been put on the way in both directions, with
// their headers and with those that were lost.
func (p *Path) Passed() (int64, error) {
	return p.ways[0].passed.Load() + p.ways[1].passed.Load(), nil
}

// Close ends the way and both namespaces, once no process is left in them.
func (p *Path) Close() error {
	var errs []error
	for _, end := range p.ends {
		if end != nil {
			errs = append(errs, end.tun.Close(), end.net.Close())
		}
	}
	p.carrier.Wait()
	return errors.Join(errs...)
}

// newEnd makes a namespace with a device.
func newEnd(ctx context.Context, address, peer, congestion string) (*End, error) {
	type made struct {
		end *End
		err error
	}
	done := make(chan made)
	go func() {
		// A namespace belongs to a thread; this one is not unlocked, so it ends
		// with the goroutine, and no other goroutine finds itself in there.
		runtime.LockOSThread()
		end, err := makeEnd(ctx, address, peer, congestion)
		done <- made{end, err}
	}()
	m := <-done
	return m.end, m.err
}

func makeEnd(ctx context.Context, address, peer, congestion string) (*End, error) {
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return nil, fmt.Errorf("making a network namespace: %w", err)
	}
	net, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		return nil, err
	}
	tun, err := openTUN()
	if err != nil {
		return nil, errors.Join(err, net.Close())
	}
	// What TCP learned from one contender is not for the next.
	err = os.WriteFile("/proc/sys/net/ipv4/tcp_no_metrics_save", []byte("1"), 0)
	for _, line := range []string{
		"link set lo up",
		"addr add " + address + " peer " + peer + " dev " + device,
		"link set " + device + " mtu 1500 txqueuelen 10000 up",
		// The default of a namespace may be any but a restricted one; a route may
		// have any at all.
		"route replace " + peer + " dev " + device + " src " + address + " congctl " + congestion,
	} {
		if err != nil {
			break
		}
		var out []byte
		if out, err = exec.CommandContext(ctx, "ip", strings.Fields(line)...).CombinedOutput(); err != nil {
			err = fmt.Errorf("ip %s: %w: %s", line, err, out)
		}
	}
	if err != nil {
		return nil, errors.Join(err, tun.Close(), net.Close())
	}
	return &End{Address: address, Namespace: fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), net.Fd()), net: net, tun: tun}, nil
}

// openTUN makes the device in the namespace of this thread.
func openTUN() (*os.File, error) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("opening /dev/net/tun: %w", err)
	}
	req, err := unix.NewIfreq(device)
	if err == nil {
		req.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
		err = unix.IoctlIfreq(fd, unix.TUNSETIFF, req)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("making a TUN device: %w", err), unix.Close(fd))
	}
	return os.NewFile(uintptr(fd), "tun"), nil
}

// Enter makes this process another program, which runs in a namespace and dies
// with the thread that started this one. It returns only if that fails.
func Enter(namespace string, argv []string) error {
	program, err := exec.LookPath(argv[0])
	if err != nil {
		return err
	}
	// The thread that calls execve becomes the process.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	net, err := os.Open(namespace)
	if err != nil {
		return err
	}
	defer net.Close()
	if err := unix.Setns(int(net.Fd()), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("entering a network namespace: %w", err)
	}
	// The wish belongs to a thread, and this may be another one than that which
	// it was said for when the process was started.
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0); err != nil {
		return err
	}
	return syscall.Exec(program, argv, os.Environ())
}

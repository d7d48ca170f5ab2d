package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// A namespace is a network of its own. It has no name and so cannot be left behind: it is
// gone when this process and all that run in it are.
type namespace struct {
	t    testing.TB
	file *os.File
}

func newNamespace(t testing.TB) *namespace {
	t.Helper()
	type made struct {
		file *os.File
		err  error
	}
	done := make(chan made)
	go func() {
		// A namespace belongs to a thread; this one is not unlocked, so it ends with
		// the goroutine, and no other goroutine finds itself in there.
		runtime.LockOSThread()
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			done <- made{err: fmt.Errorf("making a network namespace: %w", err)}
			return
		}
		file, err := os.Open("/proc/thread-self/ns/net")
		done <- made{file, err}
	}()
	m := <-done
	if m.err != nil {
		t.Fatal(m.err)
	}
	t.Cleanup(func() { m.file.Close() })
	return &namespace{t, m.file}
}

// path is a file that stands for the namespace.
func (n *namespace) path() string { return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), n.file.Fd()) }

// command is one that runs in the namespace.
func (n *namespace) command(argv ...string) *exec.Cmd {
	return exec.Command("nsenter", append([]string{"--net=" + n.path()}, argv...)...)
}

// ip runs ip(8) in the namespace, once for each line.
func (n *namespace) ip(lines ...string) {
	n.t.Helper()
	for _, line := range lines {
		if out, err := n.command(append([]string{"ip"}, strings.Fields(line)...)...).CombinedOutput(); err != nil {
			n.t.Fatalf("ip %s: %v: %s", line, err, out)
		}
	}
}

// A town is hosts with a network each, and the way between them: a router that forwards
// what it is not told to lose.
type town struct {
	router *namespace
	hosts  []*host
}

// newTown makes hosts that have two addresses each: they call from the first, and listen
// at the second. No agent has been started.
func newTown(t *testing.T, names ...string) *town {
	t.Helper()
	needs(t, os.Getuid() == 0, "making network namespaces needs root")
	for _, tool := range []string{"ip", "nsenter"} {
		_, err := exec.LookPath(tool)
		needs(t, err == nil, tool+" is not there")
	}
	w := &town{router: newNamespace(t)}
	w.router.ip("link set lo up")
	if out, err := w.router.command("sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward").CombinedOutput(); err != nil {
		t.Fatalf("forwarding packets: %v: %s", err, out)
	}
	for i, name := range names {
		h := newHost(t, name)
		h.space = newNamespace(t)
		h.Addr = listens(i) + ":7420"
		h.configure("")
		w.router.ip(
			fmt.Sprintf("link add way%d type veth peer name eth0 netns %s", i, h.space.path()),
			fmt.Sprintf("addr add 10.74.%d.1/24 dev way%d", i, i), fmt.Sprintf("link set way%d up", i))
		h.space.ip("link set lo up", "link set eth0 up",
			fmt.Sprintf("addr add %s/24 dev eth0", dials(i)), fmt.Sprintf("addr add %s/24 dev eth0", listens(i)),
			fmt.Sprintf("route add default via 10.74.%d.1 src %s", i, dials(i)))
		w.hosts = append(w.hosts, h)
	}
	return w
}

func dials(i int) string   { return fmt.Sprintf("10.74.%d.2", i) }
func listens(i int) string { return fmt.Sprintf("10.74.%d.3", i) }

// lose has every packet lost that goes from one address or network to another; nobody is
// told. find takes that back.
func (w *town) lose(from, to string) {
	w.router.ip(fmt.Sprintf("rule add from %s to %s blackhole", from, to))
}

func (w *town) find(from, to string) {
	w.router.ip(fmt.Sprintf("rule del from %s to %s blackhole", from, to))
}

// net4 is the network of a host.
func net4(i int) string { return fmt.Sprintf("10.74.%d.0/24", i) }

// part has the packets from one host to another lost; join takes that back.
func (w *town) part(from, to int) { w.lose(net4(from), net4(to)) }
func (w *town) join(from, to int) { w.find(net4(from), net4(to)) }

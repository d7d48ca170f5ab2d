package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"mft.dev/mft"
	"mft.dev/mft/agent/localapi"
	"mft.dev/mft/internal/rig"
)

// The users of a host whose agent has several processes. Nobody needs to have made
// them.
const (
	agentUser = 61001
	filesUser = 61002
	groupUser = 61003
	otherUser = 61004
	netsUser  = 61005
)

// newSeparate returns two hosts; the agent of beta is not root any more, and can
// neither read nor write what is there.
func newSeparate(t *testing.T) (alpha, beta *host) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can have processes of several users")
	}
	beta = newSeparateHost(t, "beta", filesUser)
	alpha = newHost(t, "alpha")
	return alpha, beta
}

// newSeparateHost returns a host whose agent is not root any more, and can neither
// read nor write what is in its directories: that is for one user.
func newSeparateHost(t *testing.T, name string, user int) *host {
	t.Helper()
	return newSeparateHostOf(t, os.Getenv(binaryVar), name, user)
}

// newSeparateHostOf is newSeparateHost with a program.
func newSeparateHostOf(t *testing.T, program, name string, user int) *host {
	t.Helper()
	dir, err := os.MkdirTemp("", "mft-e2e-separate-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	h, err := rig.New(program, filepath.Join(dir, name), name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		h.Kill()
		if t.Failed() {
			t.Logf("the last lines of %s:\n%s", name, h.Tail())
		}
	})
	h.Becomes, h.Exposed = fmt.Sprint(agentUser), fmt.Sprint(netsUser)
	for _, d := range []string{h.In(), h.Out()} {
		if err := os.Chown(d, user, groupUser); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return &host{Host: h, t: t}
}

// as is who a grant or channel of beta runs as.
func as() string { return fmt.Sprintf("run_as: {user: %d, group: %d}", filesUser, groupUser) }

// owned checks whose a file is.
func owned(t *testing.T, path string) {
	t.Helper()
	ownedBy(t, path, filesUser)
}

func ownedBy(t *testing.T, path string, user uint32) {
	t.Helper()
	fi, err := os.Lstat(path)
	if err != nil {
		t.Error(err)
		return
	}
	if st := fi.Sys().(*syscall.Stat_t); st.Uid != user || st.Gid != groupUser {
		t.Errorf("%s is of %d:%d, want %d:%d", path, st.Uid, st.Gid, user, groupUser)
	}
}

// workers returns the processes that work for a host: children of its supervisor of
// the user whose files they move.
func (h *host) workers() (pids []int) {
	h.t.Helper()
	return h.children(filesUser)
}

// children returns the processes of a user that the supervisor of a host has started.
func (h *host) children(user int) (pids []int) {
	h.t.Helper()
	entries, err := os.ReadDir("/proc")
	if err != nil {
		h.t.Fatal(err)
	}
	parent := fmt.Sprintf("\nPPid:\t%d\n", h.Running().PID())
	for _, e := range entries {
		var pid int
		status, err := os.ReadFile(filepath.Join("/proc", e.Name(), "status"))
		if _, serr := fmt.Sscan(e.Name(), &pid); err != nil || serr != nil {
			continue
		}
		if s := string(status); strings.Contains(s, parent) && strings.Contains(s, fmt.Sprintf("\nUid:\t%d\t", user)) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// TestSeparateReceives has files land that the agent could not have written, and
// kills the process that writes them: the transfer goes on in another.
func TestSeparateReceives(t *testing.T) {
	alpha, beta := newSeparate(t)
	beta.Exposed = "" // its network process is of the agent's user
	beta.configure(fmt.Sprintf("allow: {files_from: [{agent: alpha, into: %q, %s}]}\n", beta.In(), as()))
	alpha.start()
	beta.start()
	pair(beta, alpha, alpha.Addr)
	l := newLedger()
	p := &producer{t: t, dir: alpha.Out(), ledger: l, rnd: chance(t)}
	p.make("small", 1000)
	p.make("big", 12*big)
	id, err := order(alpha, beta, filepath.Join(p.dir, "small"), filepath.Join(p.dir, "big"))
	if err != nil {
		t.Fatal(err)
	}
	under := func(tr localapi.Transfer) bool { return tr.Moved.Bytes > big || tr.State.Terminal() }
	if tr := alpha.awaitTransfer(id, under); tr.State.Terminal() {
		t.Fatalf("the transfer is %s before anything could be done to it", tr.State)
	}
	killed := beta.workers()
	if len(killed) == 0 {
		t.Fatal("there is no worker")
	}
	for _, pid := range killed {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	tr := alpha.awaitEnd(id)
	if tr.State != mft.StateDone || tr.Attempts < 2 {
		t.Errorf("the transfer ended as %s after %d attempts: %+v", tr.State, tr.Attempts, tr.Reason)
	}
	same(t, beta.In(), l)
	owned(t, filepath.Join(beta.In(), "small"))
	owned(t, filepath.Join(beta.In(), "big"))
}

// TestSeparateSends has a peer ask for files that the agent cannot read.
func TestSeparateSends(t *testing.T) {
	alpha, beta := newSeparate(t)
	beta.configure(fmt.Sprintf("allow: {requests_from: [{agent: alpha, root: %q, %s}]}\n", beta.Out(), as()))
	alpha.start()
	beta.start()
	pair(beta, alpha, alpha.Addr)
	l := newLedger()
	p := &producer{t: t, dir: beta.Out(), ledger: l, rnd: chance(t)}
	p.make("secret", 100_000)
	if err := os.Chmod(filepath.Join(p.dir, "secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(filepath.Join(p.dir, "secret"), filesUser, groupUser); err != nil {
		t.Fatal(err)
	}
	alpha.mft("req", "--source-agent", "beta", "--source-path", filepath.Join(p.dir, "secret"), alpha.In()+"/")
	same(t, alpha.In(), l)
	if out, err := alpha.run("req", "--source-agent", "beta", "--source-path", filepath.Join(p.dir, "none"), alpha.In()+"/"); err == nil || !strings.Contains(out+err.Error(), "NOT_FOUND") {
		t.Errorf("a file that is not there: %v, want NOT_FOUND", err)
	}
}

// TestSeparateCanary tests channels whose files are of another user than the agent's, at
// either end: what only one of the two may do is found.
func TestSeparateCanary(t *testing.T) {
	alpha, beta := newSeparate(t)
	alpha.configure(fmt.Sprintf(`
channels:
- {name: there, from: {agent: alpha, path: %q}, to: [{agent: beta, path: %q}], when: {manual: true}}
`, alpha.Out(), beta.In()))
	beta.configure(fmt.Sprintf(`
allow: {files_from: [{agent: alpha, into: %q, %s}]}
channels:
- {name: back, from: {agent: beta, path: %q}, to: [{agent: alpha, path: %q}], when: {manual: true}, %s}
`, beta.In(), as(), beta.Out(), alpha.In(), as()))
	alpha.start()
	beta.start()
	pair(beta, alpha, alpha.Addr)
	if out := alpha.mft("test", "there"); !strings.Contains(out, "ok         delivery to beta") {
		t.Errorf("mft test said:\n%s", out)
	}
	if left, err := os.ReadDir(beta.In()); err != nil || len(left) > 0 {
		t.Errorf("beta has %v, %v, want nothing", left, err)
	}
	for _, tt := range []struct {
		name string
		uid  int
		mode os.FileMode
		want string
	}{
		{"only its user may list the source", filesUser, 0o700, "failed     source"},
		{"only the agent may", agentUser, 0o700, "failed     source"},
		{"both may", filesUser, 0o755, "ok         source"},
	} {
		if err := os.Chown(beta.Out(), tt.uid, groupUser); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(beta.Out(), tt.mode); err != nil {
			t.Fatal(err)
		}
		out, err := beta.run("test", "back")
		if failed := strings.HasPrefix(tt.want, "failed"); !strings.Contains(out, tt.want) || (err != nil) != failed || failed != strings.Contains(out, "INSUFFICIENT_PERMISSION") {
			t.Errorf("%s: %v, want %q in\n%s", tt.name, err, tt.want, out)
		}
		if !strings.Contains(out, "ok         delivery to alpha") {
			t.Errorf("%s: no delivery:\n%s", tt.name, out)
		}
	}
	if left, err := os.ReadDir(alpha.In()); err != nil || len(left) > 0 {
		t.Errorf("alpha has %v, %v, want nothing", left, err)
	}
}

// TestSeparateWalls: the supervisor has walls of its own, says so, and what it starts can do
// its work behind them: commands too.
func TestSeparateWalls(t *testing.T) {
	alpha, beta := newSeparate(t)
	said := filepath.Join(beta.Dir, "said")
	if err := os.Mkdir(said, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(said, 0o777); err != nil {
		t.Fatal(err)
	}
	beta.configure(fmt.Sprintf(`
allow: {files_from: [{agent: alpha, into: %q, %s}]}
exits: [{phase: post, agent: alpha, run: [/usr/bin/touch, %q]}]
`, beta.In(), as(), filepath.Join(said, "delivered")))
	alpha.start()
	beta.start()
	pair(beta, alpha, alpha.Addr)
	file := filepath.Join(alpha.Out(), "f")
	if err := os.WriteFile(file, []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	alpha.mft("copy", file, "--dest-agent", "beta", "--dest-path", beta.In()+"/")
	becomes(t, "the command runs", is(filepath.Join(said, "delivered"), true))
	for pid, capabilities := range map[int]string{beta.Running().PID(): "00000000000001e0", beta.children(agentUser)[0]: "0000000000000000"} {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		for _, want := range []string{"\nSeccomp:\t2\n", "\nNoNewPrivs:\t1\n", "\nCapEff:\t" + capabilities + "\n", "\nCapBnd:\t" + capabilities + "\n"} {
			if err != nil || !strings.Contains(string(status), want) {
				t.Errorf("process %d has no %q, %v:\n%s", pid, want, err, status)
			}
		}
	}
	if out := beta.mft("status"); strings.Count(out, "walls: memory privileges capabilities calls") != 1 || strings.Count(out, "walls: memory privileges capabilities files calls") != 1 {
		t.Errorf("mft status does not tell of the walls:\n%s", out)
	}
	if out, err := beta.run("doctor"); !strings.Contains(out, "walls of supervisor") || !strings.Contains(out, "walls of agent") {
		t.Errorf("mft doctor does not tell of the walls, %v:\n%s", err, out)
	}
}

// TestSeparateNetwork: what is exposed to the network is a process of its own, of another user,
// with walls. The agent has none of its sockets; when it is killed everything goes on.
func TestSeparateNetwork(t *testing.T) {
	alpha, beta := newSeparate(t)
	beta.configure(fmt.Sprintf("allow: {files_from: [{agent: alpha, into: %q, %s}]}\n", beta.In(), as()))
	alpha.start()
	beta.start()
	pair(beta, alpha, alpha.Addr)
	l := newLedger()
	p := &producer{t: t, dir: alpha.Out(), ledger: l, rnd: chance(t)}
	p.make("first", 1000)
	alpha.mft("copy", filepath.Join(p.dir, "first"), "--dest-agent", "beta", "--dest-path", beta.In()+"/")
	agent, exposed := beta.children(agentUser), beta.children(netsUser)
	if len(agent) != 1 || len(exposed) != 1 {
		t.Fatalf("the agent is %v, the network process %v, want one of each", agent, exposed)
	}
	if n := peerSockets(t, agent[0]); n != 0 {
		t.Errorf("the agent has %d sockets of TCP", n)
	}
	if n := peerSockets(t, exposed[0]); n < 2 {
		t.Errorf("the network process has %d sockets of TCP, want that which listens and the connection", n)
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", exposed[0]))
	for _, want := range []string{"\nSeccomp:\t2\n", "\nNoNewPrivs:\t1\n", "\nCapEff:\t0000000000000000\n", "\nCapBnd:\t0000000000000000\n"} {
		if err != nil || !strings.Contains(string(status), want) {
			t.Errorf("the network process has no %q, %v:\n%s", want, err, status)
		}
	}
	if out, err := beta.run("doctor"); !strings.Contains(out, "walls of network") {
		t.Errorf("mft doctor does not tell of the walls, %v:\n%s", err, out)
	}
	if err := syscall.Kill(exposed[0], syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	p.make("second", 1000)
	alpha.mft("copy", filepath.Join(p.dir, "second"), "--dest-agent", "beta", "--dest-path", beta.In()+"/")
	same(t, beta.In(), l)
	if again := beta.children(netsUser); len(again) != 1 || again[0] == exposed[0] {
		t.Errorf("the network process was %v and is %v", exposed, again)
	}
}

// peerSockets counts the sockets of TCP that a process has.
func peerSockets(t *testing.T, pid int) (n int) {
	t.Helper()
	tables := ""
	for _, name := range []string{"tcp", "tcp6"} {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/%s", pid, name))
		if err != nil {
			t.Fatal(err)
		}
		tables += string(b)
	}
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		to, err := os.Readlink(filepath.Join(dir, e.Name()))
		if inode, ok := strings.CutPrefix(to, "socket:["); err == nil && ok && strings.Contains(tables, " "+strings.TrimSuffix(inode, "]")+" ") {
			n++
		}
	}
	return n
}

// TestSeparateRoot: where a grant may be root's, the supervisor keeps what its worker needs to
// write where only root may, and the worker no more than that.
func TestSeparateRoot(t *testing.T) {
	alpha, beta := newSeparate(t)
	beta.configure(fmt.Sprintf("allow: {files_from: [{agent: alpha, into: %q, run_as: {user: root, allow_root: true}}]}\n", beta.In()))
	alpha.start()
	beta.start()
	pair(beta, alpha, alpha.Addr)
	file := filepath.Join(alpha.Out(), "f")
	if err := os.WriteFile(file, []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	alpha.mft("copy", file, "--dest-agent", "beta", "--dest-path", beta.In()+"/")
	if !has(filepath.Join(beta.In(), "f"), "x")() {
		t.Error("the file was not delivered")
	}
	workers := beta.children(0)
	if len(workers) != 1 {
		t.Fatalf("the processes of root are %v, want one worker", workers)
	}
	for pid, want := range map[int]string{beta.Running().PID(): "00000000000001ff", workers[0]: "000000000000001f"} {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err != nil || !strings.Contains(string(status), "\nCapEff:\t"+want+"\n") {
			t.Errorf("process %d has not the capabilities %s, %v:\n%s", pid, want, err, status)
		}
	}
}

// TestSeparatePaired has grants of pairing served as the user that the file names for their
// directory: what is sent, and what is asked for.
func TestSeparatePaired(t *testing.T) {
	alpha, beta := newSeparate(t)
	beta.configure(fmt.Sprintf("allow: {paired: [{below: %q, %s}]}\n", beta.Dir, as()))
	alpha.start()
	beta.start()
	pair(beta, alpha, alpha.Addr)
	beta.mft("peer", "allow", "alpha", "--files-into", beta.In(), "--requests-root", beta.Out())
	file := filepath.Join(alpha.Out(), "f")
	if err := os.WriteFile(file, []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	alpha.mft("copy", file, "--dest-agent", "beta", "--dest-path", beta.In()+"/")
	owned(t, filepath.Join(beta.In(), "f"))
	put(t, filepath.Join(beta.Out(), "secret"), "y")
	alpha.mft("req", "--source-agent", "beta", "--source-path", filepath.Join(beta.Out(), "secret"), alpha.In()+"/")
	if !has(filepath.Join(alpha.In(), "secret"), "y")() {
		t.Error("what was asked for has not come")
	}
}

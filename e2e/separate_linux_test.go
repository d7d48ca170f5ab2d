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
)

// newSeparate returns two hosts; the agent of beta is not root any more, and can
// neither read nor write what is there.
func newSeparate(t *testing.T) (alpha, beta *host) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can have processes of several users")
	}
	dir, err := os.MkdirTemp("", "mft-e2e-separate-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	h, err := rig.New(os.Getenv(binaryVar), filepath.Join(dir, "beta"), "beta")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		h.Kill()
		if t.Failed() {
			t.Logf("the last lines of beta:\n%s", h.Tail())
		}
	})
	h.Becomes = fmt.Sprint(agentUser)
	beta = &host{Host: h, t: t}
	for _, d := range []string{h.In(), h.Out()} {
		if err := os.Chown(d, filesUser, groupUser); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	alpha = newHost(t, "alpha")
	return alpha, beta
}

// as is who a grant or channel of beta runs as.
func as() string { return fmt.Sprintf("run_as: {user: %d, group: %d}", filesUser, groupUser) }

// owned checks whose a file is.
func owned(t *testing.T, path string) {
	t.Helper()
	fi, err := os.Lstat(path)
	if err != nil {
		t.Error(err)
		return
	}
	if st := fi.Sys().(*syscall.Stat_t); st.Uid != filesUser || st.Gid != groupUser {
		t.Errorf("%s is of %d:%d, want %d:%d", path, st.Uid, st.Gid, filesUser, groupUser)
	}
}

// workers returns the processes that work for a host: children of its supervisor of
// the user whose files they move.
func (h *host) workers() (pids []int) {
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
		if s := string(status); strings.Contains(s, parent) && strings.Contains(s, fmt.Sprintf("\nUid:\t%d\t", filesUser)) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// TestSeparateReceives has files land that the agent could not have written, and
// kills the process that writes them: the transfer goes on in another.
func TestSeparateReceives(t *testing.T) {
	alpha, beta := newSeparate(t)
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

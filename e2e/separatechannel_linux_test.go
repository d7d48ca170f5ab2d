package e2e

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"mft.dev/mft"
)

// newSeparated returns two hosts of which neither agent can read or write what is in the
// directories: those of alpha are of filesUser, those of beta of otherUser.
func newSeparated(t *testing.T) (alpha, beta *host) {
	t.Helper()
	needs(t, os.Geteuid() == 0, "only root can have processes of several users")
	return newSeparateHost(t, "alpha", filesUser), newSeparateHost(t, "beta", otherUser)
}

// connect starts both agents and has them trust each other.
func connect(alpha, beta *host) {
	alpha.start()
	beta.start()
	pair(beta, alpha, alpha.Addr)
}

// blind checks that the agent of a host is a process that cannot look into a directory.
func (h *host) blind(dir string) {
	h.t.Helper()
	fi, err := os.Lstat(dir)
	if err != nil {
		h.t.Fatal(err)
	}
	if st := fi.Sys().(*syscall.Stat_t); st.Uid == agentUser || fi.Mode().Perm() != 0o700 {
		h.t.Errorf("%s is of user %d with mode %v: the agent may look", dir, st.Uid, fi.Mode())
	}
	pids := h.children(agentUser)
	if len(pids) != 1 {
		h.t.Fatalf("the processes of user %d are %v, want the agent", agentUser, pids)
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pids[0]))
	var effective uint64
	_, rest, found := strings.Cut(string(status), "\nCapEff:\t")
	if _, serr := fmt.Sscanf(rest, "%x", &effective); err != nil || serr != nil || !found || effective&(1<<unix.CAP_DAC_OVERRIDE|1<<unix.CAP_DAC_READ_SEARCH|1<<unix.CAP_SETUID) != 0 {
		h.t.Errorf("the agent has capabilities %x with which it can look, %v", effective, err)
	}
}

// put makes a file, as whoever fills the source of alpha.
func put(t *testing.T, path, text string) {
	t.Helper()
	temp := filepath.Join(filepath.Dir(path), ".new-"+filepath.Base(path))
	if err := os.WriteFile(temp, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(temp, filesUser, groupUser); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(temp, path); err != nil {
		t.Fatal(err)
	}
}

// private makes a directory of a user that nobody else can look into.
func private(t *testing.T, dir string, user int) {
	t.Helper()
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(dir, user, groupUser); err != nil {
		t.Fatal(err)
	}
}

// becomes waits until something is so.
func becomes(t *testing.T, what string, so func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !so(); <-time.After(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it does not come about that %s", what)
		}
	}
}

func has(path, text string) func() bool {
	return func() bool { b, err := os.ReadFile(path); return err == nil && string(b) == text }
}

func is(path string, want bool) func() bool {
	return func() bool { _, err := os.Lstat(path); return (err == nil) == want }
}

// TestSeparateChannel has a channel run whose source, destination and markers neither
// agent can look at: by a trigger at either end, and by files that arrive.
func TestSeparateChannel(t *testing.T) {
	alpha, beta := newSeparated(t)
	source, dest := alpha.Out(), beta.In()
	near, far := filepath.Join(alpha.Dir, "marks"), filepath.Join(beta.Dir, "marks")
	private(t, near, filesUser)
	private(t, far, otherUser)
	private(t, filepath.Join(source, "below"), filesUser)
	marks := func(dir string) string {
		var out []string
		for _, kind := range []string{"trigger", "block", "activity", "completion", "failure"} {
			out = append(out, fmt.Sprintf("%s: %q", kind, filepath.Join(dir, kind)))
		}
		return "{" + strings.Join(out, ", ") + "}"
	}
	alpha.configure(fmt.Sprintf(`
channels:
  - name: apart
    from: {agent: alpha, path: %q}
    to: [{agent: beta, path: %q}]
    when: {marker: true}
    select: {exclude: [".new-*"]}
    guard: {not_empty: true}
    markers: {source: %s, destination: %s}
    %s
  - name: arriving
    from: {agent: alpha, path: %q}
    to: [{agent: beta, path: %q}]
    when: {arrival: {stable: 100ms}}
    select: {exclude: [".new-*", "**/.new-*"]}
    %s
`, source, dest, marks(near), marks(far), as(), filepath.Join(source, "below"), filepath.Join(dest, "arrived"), as()))
	beta.configure(fmt.Sprintf(`
allow: {files_from: [{agent: alpha, into: %q, markers: %s, run_as: {user: %d, group: %d}}]}
`, dest, marks(far), otherUser, groupUser))
	connect(alpha, beta)
	alpha.blind(source)
	beta.blind(dest)

	put(t, filepath.Join(source, "first"), "one")
	put(t, filepath.Join(near, "trigger"), "")
	becomes(t, "the trigger at the source has the file sent", has(filepath.Join(dest, "first"), "one"))
	becomes(t, "the run completes", is(filepath.Join(near, "completion"), true))
	becomes(t, "the run completes at the destination", is(filepath.Join(far, "completion"), true))
	becomes(t, "nothing is active", is(filepath.Join(near, "activity"), false))
	if is(filepath.Join(near, "trigger"), true)() || is(filepath.Join(near, "failure"), true)() {
		t.Error("the trigger is there still, or a failure")
	}
	ownedBy(t, filepath.Join(near, "completion"), filesUser)
	ownedBy(t, filepath.Join(far, "completion"), otherUser)
	ownedBy(t, filepath.Join(dest, "first"), otherUser)

	put(t, filepath.Join(source, "second"), "two")
	put(t, filepath.Join(far, "block"), "")
	put(t, filepath.Join(far, "trigger"), "")
	becomes(t, "the channel sees the block", func() bool { return strings.Contains(alpha.mft("channel", "list"), "a block marker is there") })
	if err := os.Remove(filepath.Join(far, "block")); err != nil {
		t.Fatal(err)
	}
	becomes(t, "the trigger at the destination has the file sent", has(filepath.Join(dest, "second"), "two"))
	becomes(t, "the trigger is gone", is(filepath.Join(far, "trigger"), false))

	put(t, filepath.Join(source, "below", "a"), "three")
	becomes(t, "what arrives is sent", has(filepath.Join(dest, "arrived", "a"), "three"))
	if out := alpha.mft("explain", "apart"); !strings.Contains(out, "second") {
		t.Errorf("explain does not know the source:\n%s", out)
	}
}

// TestSeparateMirror has a mirror sent by a process of the channel's user, also when that
// process is killed, and runs that an operator orders.
func TestSeparateMirror(t *testing.T) {
	alpha, beta := newSeparated(t)
	alpha.configure(fmt.Sprintf(`
channels:
  - name: mirror
    from: {agent: alpha, path: %q}
    to: [{agent: beta, path: %q}]
    when: {manual: true}
    mirror: {max_delete: "100%%"}
    overwrite: version
    symlinks: skip
    %s
  - name: guarded
    from: {agent: alpha, path: %q}
    to: [{agent: beta, path: %q}]
    when: {manual: true}
    guard: {mount_point: true}
    %s
`, alpha.Out(), beta.In(), as(), alpha.Out(), beta.In(), as()))
	beta.configure(fmt.Sprintf(`
allow: {files_from: [{agent: alpha, into: %q, delete: true, versions: {keep: 1}, run_as: {user: %d, group: %d}}]}
`, beta.In(), otherUser, groupUser))
	connect(alpha, beta)
	private(t, filepath.Join(alpha.Out(), "d"), filesUser)
	if err := os.Symlink("stays", filepath.Join(alpha.Out(), "d", "link")); err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(alpha.Out(), "d", "stays"), "one")
	put(t, filepath.Join(alpha.Out(), "goes"), "two")
	if out := alpha.mft("channel", "run", "mirror", "--dry-run"); !strings.Contains(out, "goes") || !strings.Contains(out, "new") {
		t.Errorf("a rehearsal does not know what would be sent:\n%s", out)
	}
	alpha.mft("channel", "run", "mirror")
	becomes(t, "the mirror has what the source has", has(filepath.Join(beta.In(), "goes"), "two"))
	becomes(t, "the mirror has directories", has(filepath.Join(beta.In(), "d", "stays"), "one"))
	ownedBy(t, filepath.Join(beta.In(), "d", "stays"), otherUser)
	if out := alpha.mft("trace", filepath.Join(alpha.Out(), "goes")); !strings.Contains(out, "beta says:") || strings.Contains(out, "not there any more") {
		t.Errorf("beta says nothing of what it received, or alpha takes what it may not see for gone:\n%s", out)
	}
	for _, pid := range alpha.workers() {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Remove(filepath.Join(alpha.Out(), "goes")); err != nil {
		t.Fatal(err)
	}
	if out := alpha.mft("channel", "run", "mirror", "--dry-run"); !strings.Contains(out, "remove there: 1 item") {
		t.Errorf("a rehearsal does not know what would be removed:\n%s", out)
	}
	alpha.mft("channel", "run", "mirror")
	becomes(t, "what is gone at the source goes", is(filepath.Join(beta.In(), "goes"), false))
	for _, text := range []string{"second", "third version", "the fourth"} {
		put(t, filepath.Join(alpha.Out(), "d", "stays"), text)
		alpha.mft("channel", "run", "mirror")
		becomes(t, "the mirror has the next version", has(filepath.Join(beta.In(), "d", "stays"), text))
	}
	names, err := filepath.Glob(filepath.Join(beta.In(), "d", "*"))
	if err != nil || len(names) != 2 || !has(names[1], "third version")() {
		t.Errorf("the mirror has %q, %v; want the file, the version before, and no link", names, err)
	}
	if out, err := alpha.run("channel", "run", "guarded"); err == nil || !strings.Contains(out+err.Error(), "NOT_MOUNTED") {
		t.Errorf("a source that has to be mounted, and is not: %v, %s; want NOT_MOUNTED", err, out)
	}
}

// TestSeparateMarkerKills is TestMarkerKills with agents that have several processes each, all
// of which end when the supervisor is killed.
func TestSeparateMarkerKills(t *testing.T) {
	needs(t, os.Geteuid() == 0, "only root can have processes of several users")
	for _, end := range []mft.End{mft.EndSource, mft.EndDestination} {
		t.Run(string(end), func(t *testing.T) {
			alpha, beta := newSeparateHost(t, "alpha", filesUser), newSeparateHost(t, "beta", filesUser)
			alpha.configure("")
			beta.configure("")
			connect(alpha, beta)
			markerKills(t, end, alpha, beta, sample(8, 24), func(h *host) {
				becomes(t, "all processes of "+h.Name+" end", func() bool { return !h.lives() })
			})
		})
	}
}

// lives reports whether there is a process that was started with a file of the host, or
// somebody listens in its place.
func (h *host) lives() bool {
	l, err := net.Listen("tcp", h.Addr)
	if err != nil {
		return true
	}
	l.Close()
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	return slices.ContainsFunc(files, func(f string) bool {
		line, err := os.ReadFile(f)
		return err == nil && bytes.Contains(line, []byte(h.Dir+"/"))
	})
}

// TestSeparateAfter has what was delivered leave sources that only the users of the channels
// may change, also when the processes that do it are killed.
func TestSeparateAfter(t *testing.T) {
	alpha, beta := newSeparated(t)
	gone, filed, sent := filepath.Join(alpha.Out(), "gone"), filepath.Join(alpha.Out(), "filed"), filepath.Join(alpha.Dir, "sent")
	for _, dir := range []string{gone, filed, sent} {
		private(t, dir, filesUser)
	}
	alpha.configure(fmt.Sprintf(`
channels:
  - name: gone
    from: {agent: alpha, path: %q}
    to: [{agent: beta, path: %q}]
    when: {arrival: {stable: 100ms}}
    select: {exclude: ["**/.new-*"]}
    after: {source: delete}
    %s
  - name: filed
    from: {agent: alpha, path: %q}
    to: [{agent: beta, path: %q}]
    when: {arrival: {stable: 100ms}}
    select: {exclude: ["**/.new-*"]}
    after: {source: archive, archive: %q}
    %s
`, gone, filepath.Join(beta.In(), "gone"), as(), filed, filepath.Join(beta.In(), "filed"), sent, as()))
	beta.configure(fmt.Sprintf(`
allow: {files_from: [{agent: alpha, into: %q, run_as: {user: %d, group: %d}}]}
`, beta.In(), otherUser, groupUser))
	connect(alpha, beta)
	for n := range 12 {
		name, text := fmt.Sprintf("f%d", n), fmt.Sprintf("content %d", n)
		put(t, filepath.Join(gone, name), text)
		put(t, filepath.Join(filed, name), text)
		if n%4 == 3 {
			for _, pid := range alpha.workers() {
				_ = syscall.Kill(pid, syscall.SIGKILL) // it may have ended
			}
		}
	}
	for n := range 12 {
		name, text := fmt.Sprintf("f%d", n), fmt.Sprintf("content %d", n)
		becomes(t, name+" is removed", is(filepath.Join(gone, name), false))
		becomes(t, name+" is in the archive", has(filepath.Join(sent, name), text))
		becomes(t, name+" has left", is(filepath.Join(filed, name), false))
		for _, at := range []string{"gone", "filed"} {
			if path := filepath.Join(beta.In(), at, name); !has(path, text)() {
				t.Errorf("%s left before it was delivered", path)
			}
		}
	}
	ownedBy(t, filepath.Join(sent, "f0"), filesUser)
	for _, dir := range []string{gone, filed} {
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Errorf("%s has %v, %v, want nothing", dir, left, err)
		}
	}
}

// TestSeparateBandwidth has a process of the channel's user keep to the channel's bandwidth.
func TestSeparateBandwidth(t *testing.T) {
	alpha, beta := newSeparated(t)
	alpha.configure(fmt.Sprintf(`
channels:
  - name: slow
    from: {agent: alpha, path: %q}
    to: [{agent: beta, path: %q}]
    when: manual
    compress: never
    bandwidth: {limit: 512KiB, hours: [{from: "00:00", to: "12:00", limit: 256KiB}]}
    %s
`, alpha.Out(), beta.In(), as()))
	beta.configure(fmt.Sprintf(`
allow: {files_from: [{agent: alpha, into: %q, run_as: {user: %d, group: %d}}]}
`, beta.In(), otherUser, groupUser))
	connect(alpha, beta)
	put(t, filepath.Join(alpha.Out(), "big"), strings.Repeat("x", 8<<20))
	alpha.mft("channel", "run", "slow", "--detach")
	var id mft.TransferID
	becomes(t, "a transfer is under way", func() bool {
		list, err := alpha.transfers()
		if err == nil && len(list) == 1 && list[0].Moved.Bytes > 128<<10 {
			id = list[0].ID
		}
		return id != mft.TransferID{}
	})
	alpha.mft("transfer", "cancel", id.String())
	if tr := alpha.awaitEnd(id); tr.State != mft.StateCancelled || tr.Moved.Bytes > 4<<20 {
		t.Errorf("%s after %d bytes, want it to be cancelled long before its end", tr.State, tr.Moved.Bytes)
	}
	if out := alpha.mft("channel", "show", "slow"); !strings.Contains(out, "bandwidth") || !strings.Contains(out, "KiB/s, until ") {
		t.Errorf("mft channel show does not know the bandwidth:\n%s", out)
	}
}

// TestSeparateNoWorker: a channel that has no worker, since its source is not there, says so;
// the worker comes when the source does.
func TestSeparateNoWorker(t *testing.T) {
	alpha, beta := newSeparated(t)
	source := filepath.Join(alpha.Dir, "later")
	alpha.configure(fmt.Sprintf(`
channels:
  - name: later
    from: {agent: alpha, path: %q}
    to: [{agent: beta, path: %q}]
    when: {arrival: {stable: 100ms}}
    select: {exclude: [".new-*"]}
    %s
`, source, beta.In(), as()))
	beta.configure(fmt.Sprintf("allow: {files_from: [{agent: alpha, into: %q, run_as: {user: %d, group: %d}}]}\n", beta.In(), otherUser, groupUser))
	connect(alpha, beta)
	want := fmt.Sprintf("there is no directory %q", source)
	becomes(t, "the channel says what is wrong", func() bool { return strings.Contains(alpha.mft("channel", "show", "later"), want) })
	if out := alpha.mft("status"); !strings.Contains(out, want) {
		t.Errorf("mft status does not say what is wrong:\n%s", out)
	}
	private(t, source, filesUser)
	put(t, filepath.Join(source, "first"), "one")
	becomes(t, "the file arrives", has(filepath.Join(beta.In(), "first"), "one"))
}

// TestSeparatePreserve: what has extended attributes and an access list keeps them where
// processes without privileges read and write it.
func TestSeparatePreserve(t *testing.T) {
	alpha, beta := newSeparated(t)
	alpha.configure(fmt.Sprintf(`
channels:
  - name: kept
    from: {agent: alpha, path: %q}
    to: [{agent: beta, path: %q}]
    when: {arrival: {stable: 100ms}}
    select: {exclude: ["**/.new-*"]}
    preserve: [xattrs, acls, links]
    %s
`, alpha.Out(), beta.In(), as()))
	beta.configure(fmt.Sprintf(`
allow: {files_from: [{agent: alpha, into: %q, run_as: {user: %d, group: %d}}]}
`, beta.In(), otherUser, groupUser))
	connect(alpha, beta)
	acl := binary.LittleEndian.AppendUint32(nil, 2)
	for _, e := range [][3]uint32{{1, 6, 1<<32 - 1}, {2, 4, 4000}, {4, 0, 1<<32 - 1}, {16, 4, 1<<32 - 1}, {32, 0, 1<<32 - 1}} {
		acl = binary.LittleEndian.AppendUint16(acl, uint16(e[0]))
		acl = binary.LittleEndian.AppendUint16(acl, uint16(e[1]))
		acl = binary.LittleEndian.AppendUint32(acl, e[2])
	}
	given := map[string][]byte{"user.origin": []byte("erp"), "system.posix_acl_access": acl}
	for name, size := range map[string]int{"small": 10, "large": 3 << 20} {
		temp := filepath.Join(alpha.Dir, name)
		put(t, temp, strings.Repeat("x", size))
		for attribute, value := range given {
			if err := unix.Setxattr(temp, attribute, value, 0); err == unix.EOPNOTSUPP {
				t.Skipf("%s: %v", attribute, err)
			} else if err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Rename(temp, filepath.Join(alpha.Out(), name)); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"small", "large"} {
		there := filepath.Join(beta.In(), name)
		becomes(t, name+" is there", is(there, true))
		for attribute, value := range given {
			buf := make([]byte, 200)
			n, err := unix.Getxattr(there, attribute, buf)
			if err != nil || !bytes.Equal(buf[:max(n, 0)], value) {
				t.Errorf("%s of %s is %x, %v, want %x", attribute, name, buf[:max(n, 0)], err, value)
			}
		}
	}
}

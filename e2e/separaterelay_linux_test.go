package e2e

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// newSeparatedApart returns two hosts whose agents have processes of several users and have
// nothing but a folder in common. Neither runs; each is configured with what configure adds
// for it.
func newSeparatedApart(t *testing.T) (alpha, beta *host, configure func(h *host, sections string)) {
	t.Helper()
	alpha, beta = newSeparated(t)
	folder := filepath.Join(filepath.Dir(alpha.Dir), "exchange")
	if err := os.Mkdir(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	exchange := fmt.Sprintf("exchange: {dir: {path: %q}}\n", folder)
	pins := map[*host]string{}
	for _, h := range []*host{alpha, beta} {
		h.configure(exchange)
		h.mft("exchange", "setup")
		err := filepath.WalkDir(folder, func(path string, _ fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			return os.Lchown(path, agentUser, agentUser)
		})
		if err != nil {
			t.Fatal(err)
		}
		h.start()
		pins[h] = pinOf.FindString(h.mft("key", "show"))
		h.stop()
	}
	peer := map[*host]*host{alpha: beta, beta: alpha}
	return alpha, beta, func(h *host, sections string) {
		h.configure(exchange + fmt.Sprintf("peers: {%s: {pin: %q, path: relay}}\n", peer[h].Name, pins[peer[h]]) + sections)
	}
}

// TestSeparateRelay sends what the agent cannot read through an exchange: single files, a file
// of some parts, and a mirror; also when the process that reads is killed.
func TestSeparateRelay(t *testing.T) {
	alpha, beta, configure := newSeparatedApart(t)
	source, dest := alpha.Out(), beta.In()
	for _, dir := range []string{"files", "tree", "tree/d"} {
		private(t, filepath.Join(source, dir), filesUser)
	}
	configure(alpha, fmt.Sprintf(`
channels:
  - name: files
    from: {agent: alpha, path: %q}
    to: [{agent: beta, path: %q}]
    when: {arrival: {stable: 100ms}}
    select: {exclude: [".new-*"]}
    %s
  - name: tree
    from: {agent: alpha, path: %q}
    to: [{agent: beta, path: %q}]
    when: {manual: true}
    mirror: {max_delete: 50%%}
    %[3]s
`, filepath.Join(source, "files"), filepath.Join(dest, "files"), as(), filepath.Join(source, "tree"), filepath.Join(dest, "tree")))
	configure(beta, fmt.Sprintf("allow: {files_from: [{agent: alpha, into: %q, delete: true, run_as: {user: %d, group: %d}}]}\n", dest, otherUser, groupUser))
	alpha.start()
	beta.start()
	alpha.blind(source)

	put(t, filepath.Join(source, "files", "small"), "one")
	defer func() {
		if t.Failed() {
			t.Log(alpha.mft("transfer", "list"), alpha.mft("channel", "list"), alpha.mft("status"))
			t.Log(beta.mft("transfer", "list"), beta.mft("status"))
		}
	}()
	becomes(t, "the file arrives", has(filepath.Join(dest, "files", "small"), "one"))
	ownedBy(t, filepath.Join(dest, "files", "small"), otherUser)
	if out := alpha.mft("trace", filepath.Join(source, "files", "small")); !strings.Contains(out, "through the exchange") || !strings.Contains(out, "not asked") {
		t.Errorf("it is not known how the file went:\n%s", out)
	}

	text := strings.Repeat("0123456789abcdef", 1<<20)
	put(t, filepath.Join(source, "files", "large"), text)
	becomes(t, "the large file is on its way", func() bool { return strings.Contains(alpha.mft("transfer", "list"), "large") })
	for _, pid := range alpha.workers() {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && err != syscall.ESRCH {
			t.Fatal(err)
		}
	}
	becomes(t, "the large file arrives", has(filepath.Join(dest, "files", "large"), text))
	put(t, filepath.Join(source, "files", "large"), "short "+text)
	becomes(t, "the newer version arrives", has(filepath.Join(dest, "files", "large"), "short "+text))

	put(t, filepath.Join(source, "tree", "d", "a"), "two")
	put(t, filepath.Join(source, "tree", "gone"), "three")
	alpha.mft("channel", "run", "tree")
	becomes(t, "the tree arrives", has(filepath.Join(dest, "tree", "d", "a"), "two"))
	becomes(t, "the tree arrives", has(filepath.Join(dest, "tree", "gone"), "three"))
	if err := os.Remove(filepath.Join(source, "tree", "gone")); err != nil {
		t.Fatal(err)
	}
	alpha.mft("channel", "run", "tree")
	becomes(t, "what is gone at the source goes", is(filepath.Join(dest, "tree", "gone"), false))
	if n := strings.Count(alpha.mft("transfer", "list", "--state", "failed"), "\n"); n > 1 {
		t.Errorf("a transfer has failed:\n%s", alpha.mft("transfer", "list"))
	}
}

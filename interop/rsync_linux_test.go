package interop

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestTreeAsRsyncSeesIt sends a tree with everything that travels and lets
// rsync look for a difference in types, contents, modes, times, owners and
// targets of links.
func TestTreeAsRsyncSeesIt(t *testing.T) {
	rsync := program(t, "rsync")
	alpha, beta := newPair(t)
	top := filepath.Join(alpha.Out(), "tree")
	makeTree(t, top)
	if _, err := alpha.Mft(patient(t), "copy", top, "--dest-agent", "beta", "--dest-path", beta.In()+"/"); err != nil {
		t.Fatal(err)
	}

	compare := exec.CommandContext(patient(t), rsync, "--archive", "--dry-run", "--checksum", "--itemize-changes", "--delete",
		top+"/", filepath.Join(beta.In(), "tree")+"/")
	out, err := compare.CombinedOutput()
	if err != nil {
		t.Fatalf("rsync: %v\n%s", err, out)
	}
	if len(out) > 0 {
		t.Errorf("rsync would change:\n%s", out)
	}

	var sent, arrived syscall.Stat_t
	for path, st := range map[string]*syscall.Stat_t{
		filepath.Join(top, "sparse"):               &sent,
		filepath.Join(beta.In(), "tree", "sparse"): &arrived,
	} {
		if err := syscall.Stat(path, st); err != nil {
			t.Fatal(err)
		}
	}
	if arrived.Blocks > 2*sent.Blocks {
		t.Errorf("the sparse file takes %d blocks, that which was sent %d", arrived.Blocks, sent.Blocks)
	}
}

// makeTree makes one of each.
func makeTree(t *testing.T, top string) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	long := strings.Repeat("content ", 100_000)
	must(os.MkdirAll(filepath.Join(top, "a", "b", "c"), 0o755))
	must(os.MkdirAll(filepath.Join(top, "empty directory"), 0o700))
	for name, f := range map[string]struct {
		text string
		mode os.FileMode
	}{
		"empty":          {"", 0o644},
		"small":          {"hello\n", 0o600},
		"program":        {"#!/bin/sh\n", 0o755},
		"read-only":      {"x", 0o400},
		"a/big":          {long, 0o640},
		"a/b/group":      {"y", 0o664},
		"a/b/c/\xff\xfe": {"not a Unicode name", 0o644},
		"a/b/new\nline":  {"z", 0o644},
		".hidden":        {"h", 0o644},
	} {
		path := filepath.Join(top, name)
		must(os.WriteFile(path, []byte(f.text), 0o600))
		must(os.Chmod(path, f.mode))
	}
	sparse, err := os.Create(filepath.Join(top, "sparse"))
	must(err)
	for _, at := range []int64{0, 40 << 20, 100 << 20} {
		_, err := sparse.WriteAt([]byte("island"), at)
		must(err)
	}
	must(sparse.Truncate(160 << 20))
	must(sparse.Close())
	must(os.Symlink("small", filepath.Join(top, "link")))
	must(os.Symlink("nowhere/at all", filepath.Join(top, "a", "broken link")))
	if os.Getuid() == 0 {
		must(os.Chown(filepath.Join(top, "a", "big"), 65534, 65534))
	}
	old := time.Date(1999, 12, 31, 23, 59, 58, 123456789, time.UTC)
	for _, name := range []string{"small", "a/big", "empty directory", "empty"} {
		must(os.Chtimes(filepath.Join(top, name), old, old))
	}
}

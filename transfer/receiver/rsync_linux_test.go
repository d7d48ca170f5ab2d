package receiver

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/trigger/selection"
)

var long = flag.Bool("long", false, "as many trees as the design promises")

// TestMirrorLikeRsync mirrors random trees, with random rules and limits, onto random
// trees: what is there in the end is what rsync makes of the same.
func TestMirrorLikeRsync(t *testing.T) {
	program, err := exec.LookPath("rsync")
	if err != nil {
		if os.Getenv("MFT_PEERS") == "required" {
			t.Fatalf("MFT_PEERS=required, but %v", err)
		}
		t.Skip(err)
	}
	seeds := uint64(60)
	if *long {
		seeds = 1000
	}
	for seed := range seeds {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			mirrorLikeRsync(t, program, rand.New(rand.NewPCG(seed, 3)))
		})
	}
}

func mirrorLikeRsync(t *testing.T, program string, r *rand.Rand) {
	f := newFixture(t)
	theirs := filepath.Join(t.TempDir(), "theirs")
	paths := plantTree(t, r, f.src, nil)
	before := r.Uint64()
	for _, dir := range []string{f.dst, theirs} { // alike
		plantTree(t, rand.New(rand.NewPCG(before, 4)), dir, paths)
	}
	args := []string{"-a", "--no-o", "--no-g"}
	if r.IntN(5) > 0 {
		args = append(args, "--delete")
		f.offer.Mirror = mft.Mirror{On: true, MaxFiles: -1, MaxPercent: -1}
	}
	if r.IntN(4) == 0 {
		args = append(args, "--checksum")
		f.offer.Compare = mft.CompareContent
	}
	f.offer.Preserve = drawPreserve(t, r, f, theirs)
	for _, name := range f.offer.Preserve.Names() {
		args = append(args, map[string]string{"xattrs": "--xattrs", "acls": "--acls", "links": "--hard-links"}[name])
	}
	list, sel := drawRules(r, paths), selection.Selection{}
	for _, rule := range list {
		args = append(args, "--filter="+rule)
	}
	if r.IntN(4) == 0 {
		sel.Limits.MinSize = r.Int64N(12)
		args = append(args, fmt.Sprintf("--min-size=%db", sel.Limits.MinSize))
	}
	if r.IntN(4) == 0 {
		sel.Limits.MaxSize = sel.Limits.MinSize + 1 + r.Int64N(15)
		args = append(args, fmt.Sprintf("--max-size=%db", sel.Limits.MaxSize))
	}
	if r.IntN(4) == 0 {
		args, sel.Symlinks = append(args, "--no-links"), mft.SymlinksSkip
	}
	var err error
	if sel.Rules, err = selection.Parse(list); err != nil {
		t.Fatal(err)
	}
	f.choose = sel.Choose(time.Now())
	if f.offer.Mirror.On {
		f.offer.Rules = list
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, append(args, f.src+"/", theirs+"/")...)
	cmd.Env = []string{"LC_ALL=C"}
	said, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("rsync %q: %v: %s", args, err, said)
	}
	res := f.deliver()
	if code := res.sent.Code; code != mft.CodeOK && code != mft.CodeEmptySource {
		t.Errorf("receipt %+v; notes %q", res.sent, f.notes)
	} else if code == mft.CodeEmptySource {
		t.Skip("a source of which nothing is chosen is no reason to remove anything")
	}
	wantSameFiles(t, theirs, f.dst)
	wantSameExtended(t, theirs, f.dst, f.offer.Mirror.On)
	if f.offer.Preserve.Has(mft.PreserveLinks) {
		wantLinked(t, f.src, theirs, f.dst)
	}
	if t.Failed() {
		t.Logf("rsync %q: %s; source %q", args, said, paths)
	}
}

// plantTree makes a tree of files, directories and links, in which many have the paths
// of another, and returns its paths, those of directories with a slash.
func plantTree(t *testing.T, r *rand.Rand, root string, like []string) (paths []string) {
	t.Helper()
	// Those of directories are others: what is a directory at one end only is refused here.
	names := []string{"a", "b", "c", "ab", "a.c", "b.o", "[a]", "a b", "*", "\xff", ".a"}
	folders := []string{"d", "e", "bd", "d.o", "[d]", "d*", ".d"}
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.MkdirAll(root, 0o755))
	dirs, times := []string{""}, map[string]time.Time{}
	add := func(path string, kind int) {
		parent := path[:strings.LastIndexByte(strings.TrimSuffix(path, "/"), '/')+1]
		if full := filepath.Join(root, path); !slices.Contains(dirs, parent) {
			return
		} else if _, err := os.Lstat(full); err == nil {
			return
		} else if kind == 0 {
			must(os.Mkdir(full, 0o755))
			path = strings.TrimSuffix(path, "/") + "/"
			dirs = append(dirs, path)
		} else if kind == 1 {
			must(os.Symlink(names[r.IntN(4)], full))
		} else {
			must(os.WriteFile(full, []byte(strings.Repeat("x", r.IntN(24))), 0o644))
			times[full] = time.Unix(1_700_000_000+r.Int64N(3), 0)
		}
		paths = append(paths, path)
	}
	for _, path := range like {
		switch is, name := 2, strings.TrimSuffix(path, "/"); {
		case r.IntN(3) == 0:
		case path != name:
			add(path, 0)
		default:
			add(name, is)
		}
	}
	for range 8 + r.IntN(18) {
		in := dirs[r.IntN(len(dirs))]
		if kind := []int{0, 0, 0, 1, 2, 2, 2, 2, 2}[r.IntN(9)]; kind == 0 {
			add(in+folders[r.IntN(len(folders))], kind)
		} else {
			add(in+names[r.IntN(len(names))], kind)
		}
	}
	for full, at := range times {
		must(os.Chtimes(full, at, at))
	}
	return paths
}

// drawRules draws rules that have to do with a tree.
func drawRules(r *rand.Rand, paths []string) (list []string) {
	for range r.IntN(6) {
		pattern := paths[r.IntN(len(paths))]
		parts := strings.Split(strings.TrimSuffix(pattern, "/"), "/")
		if r.IntN(2) == 0 {
			parts = parts[r.IntN(len(parts)):]
		}
		for i, name := range parts {
			switch r.IntN(5) {
			case 0:
				parts[i] = []string{"*", "?", "[a-c]*", "*.?", "**"}[r.IntN(5)]
			case 1:
				parts[i] = name[:1] + "*"
			}
		}
		pattern = strings.Join(parts, "/")
		if r.IntN(3) == 0 {
			pattern = "/" + pattern
		}
		if r.IntN(4) == 0 {
			pattern += []string{"/", "/***", "/**", "/*"}[r.IntN(4)]
		}
		rule := []string{"- ", "- ", "+ "}[r.IntN(3)] + pattern
		if _, err := selection.Parse([]string{rule}); err == nil {
			list = append(list, rule)
		}
	}
	return append(list, [][]string{nil, nil, nil, {"+ */", "- *"}, {"- *.o"}}[r.IntN(5)]...)
}

//go:build unix

package receiver

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"mft.dev/mft"
)

// TestChurnIsMirrored changes, adds and removes at both ends of a tree, most of which
// stays the same: the destination becomes the source, and nothing that is the same is
// sent or touched.
func TestChurnIsMirrored(t *testing.T) {
	for seed := range uint64(8) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			pick := rand.New(rand.NewPCG(seed, 1))
			f := newFixture(t)
			if seed%2 == 1 {
				f.sources = []string{f.src}
			}
			for d := range 4 {
				for i := range 6 + pick.IntN(30) {
					f.write(fmt.Sprintf("d%d/f%d", d, i), []byte(fmt.Sprint(i)), 0o644)
				}
				for i := range 3 {
					f.write(fmt.Sprintf("d%d/sub%d/f", d, i), nil, 0o644)
					if err := os.Symlink(fmt.Sprint("f", i), filepath.Join(f.src, fmt.Sprintf("d%d/l%d", d, i))); err != nil {
						t.Fatal(err)
					}
				}
			}
			f.deliver()
			dst := f.dst
			if seed%2 == 1 {
				dst = filepath.Join(f.dst, filepath.Base(f.src))
			}
			before := inodes(t, dst)
			churn(t, pick, f.src, "new")
			churn(t, pick, dst, "extra")
			f.again()
			f.offer.Mirror = mft.Mirror{On: true, MaxFiles: -1, MaxPercent: -1}
			res := f.deliver()
			wantSame(t, f.src, dst)
			after := inodes(t, dst)
			kept := 0
			for name := range after {
				if before[name] == after[name] {
					kept++
				}
			}
			if kept < len(after)/2 || res.sent.Failed > 0 || res.sent.Unchanged.Items < int64(len(after))/2 {
				t.Errorf("of %d, %d were kept; receipt %+v", len(after), kept, res.sent)
			}
			totals := res.sent.Received.Items + res.sent.Unchanged.Items
			if want := f.sentTotals(); totals != want {
				t.Errorf("%d items were received or unchanged, the source has %d", totals, want)
			}
		})
	}
}

// churn changes, removes and adds a few files, links and directories in each directory
// of a tree.
func churn(t *testing.T, pick *rand.Rand, top, name string) {
	t.Helper()
	for d := range 4 {
		dir := filepath.Join(top, fmt.Sprintf("d%d", d))
		in := func(format string, args ...any) string { return filepath.Join(dir, fmt.Sprintf(format, args...)) }
		for n := range pick.IntN(4) {
			i := pick.IntN(6)
			for _, err := range []error{
				os.WriteFile(in("f%d", i), []byte(name), 0o600),
				os.Chtimes(in("f%d", i), time.Time{}, at(pick.IntN(3))),
				os.RemoveAll(in("f%d", pick.IntN(6))),
				os.WriteFile(in("%s%d", name, n), []byte(name), 0o644),
				os.RemoveAll(in("l%d", pick.IntN(3))),
			} {
				if err != nil && !os.IsNotExist(err) {
					t.Fatal(err)
				}
			}
		}
		switch pick.IntN(3) {
		case 0:
			if err := os.RemoveAll(in("sub%d", pick.IntN(3))); err != nil {
				t.Fatal(err)
			}
		case 1:
			if err := os.MkdirAll(in("%s/deep", name), 0o755); err != nil {
				t.Fatal(err)
			}
		}
	}
}

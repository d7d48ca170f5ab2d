package e2e

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestAfterKills kills agents at random moments while a channel moves files away from its
// source. Afterwards every file has appeared exactly once and whole, and each is in the
// archive once, or gone where it is to be removed.
func TestAfterKills(t *testing.T) {
	for _, archives := range []bool{true, false} {
		t.Run(fmt.Sprintf("archive %t", archives), func(t *testing.T) {
			rnd := chance(t)
			alpha, beta := newPair(t)
			sent := filepath.Join(alpha.Dir, "sent")
			if err := os.Mkdir(sent, 0o755); err != nil {
				t.Fatal(err)
			}
			after := "{source: delete}"
			if archives {
				after = fmt.Sprintf("{source: archive, archive: %q}", sent)
			}
			alpha.configure(channelTo(alpha, beta) + "    after: " + after + "\n")
			alpha.stop()
			alpha.start()
			c := consume(t, beta.In(), filepath.Join(beta.Dir, "kept"), true)
			s := &stream{
				from: alpha, to: beta, consumer: c, channel: true,
				producer: &producer{t: t, dir: alpha.Out(), ledger: newLedger(), rnd: rand.New(rand.NewPCG(rnd.Uint64(), 1))},
			}
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error)
			go func() { ended <- s.flow(ctx) }()
			killAtRandom(t, rnd, sample(10, 60), nil, alpha, beta)
			cancel()
			if err := <-ended; err != nil {
				t.Error(err)
			}
			s.settle(t)
			c.verdict(s.producer.ledger)
			var left []string
			for end := time.Now().Add(*patience); time.Now().Before(end); <-time.After(20 * time.Millisecond) {
				if left = files(t, alpha.Out()); len(left) == 0 {
					break
				}
			}
			if len(left) > 0 {
				t.Errorf("the source still has %q", left)
			}
			archived := files(t, sent)
			want := 0
			if archives {
				want = len(s.producer.ledger.made)
			}
			if len(archived) != want {
				t.Errorf("%d files are archived, want %d", len(archived), want)
			}
			for _, name := range archived {
				if strings.Contains(name, "~") || strings.HasSuffix(name, ".part") {
					t.Errorf("%s is in the archive", name)
				}
			}
			t.Logf("%d files", len(archived))
		})
	}
}

// files returns the files below a directory.
func files(t *testing.T, dir string) (out []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) { // it leaves
			return nil
		}
		if err == nil && !d.IsDir() {
			out = append(out, p)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

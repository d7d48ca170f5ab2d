package agent_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/journal"
)

// inOrder returns the files of alpha's transfers to a peer in the order in which they were made,
// and says whether one was made before all of the batch before it were done.
func inOrder(t *testing.T, alpha *host, batch int, ends int) []string {
	t.Helper()
	rows := alpha.list(journal.Filter{})
	slices.SortStableFunc(rows, func(x, y mft.Transfer) int { return x.Created.Compare(y.Created) })
	var files []string
	for i, row := range rows {
		if len(row.Sources) > batch {
			t.Errorf("a transfer has %d files, want %d at most", len(row.Sources), batch)
		}
		for _, before := range rows[:i-i%ends] {
			if before.Updated.After(row.Created) {
				t.Errorf("transfer %d was made at %v, before one of an earlier batch was done, %v", i, row.Created, before.Updated)
			}
		}
		if i%ends == 0 {
			for _, s := range row.Sources {
				files = append(files, filepath.Base(s))
			}
		}
	}
	return files
}

// Files are sent in their order, each batch after the receipts for the one before, also when
// the agent dies, and a destination is away for a while.
func TestOrder(t *testing.T) {
	for _, by := range []mft.OrderBy{mft.OrderByName, mft.OrderByTime} {
		t.Run(string(by), func(t *testing.T) {
			alpha, beta, gamma := newHost(t, "alpha"), newHost(t, "beta"), newHost(t, "gamma")
			alpha.conf.Channels = []mft.Channel{{
				Name: "box", From: mft.Endpoint{Agent: "alpha", Path: alpha.out},
				To:        []mft.Endpoint{{Agent: "beta", Path: beta.in}, {Agent: "gamma", Path: gamma.in}},
				When:      []mft.Trigger{{Kind: mft.TriggerPoll, Every: time.Second}},
				Overwrite: mft.OverwriteReplace, Order: mft.Order{By: by, Batch: 2}, After: mft.After{Source: mft.SourceDelete},
			}}
			var want []string
			for i := range 7 {
				name, age := fmt.Sprintf("f%d", i), i
				if by == mft.OrderByTime {
					age = 10 - i
				}
				write(t, alpha.out, name, name)
				at := time.Unix(int64(1e9+age), 0)
				if err := os.Chtimes(filepath.Join(alpha.out, name), at, at); err != nil {
					t.Fatal(err)
				}
				want = append(want, name)
			}
			if by == mft.OrderByTime {
				slices.Reverse(want)
			}
			for _, h := range []*host{alpha, beta, gamma} {
				h.start()
			}
			pair(t, alpha, beta)
			pair(t, alpha, gamma)
			// The second batch has been made: gamma is away for some of it.
			alpha.until("the second", func() bool { return len(alpha.list(journal.Filter{Peer: "gamma"})) >= 2 }, func() any { return alpha.list(journal.Filter{}) })
			gamma.stop()
			alpha.stop()
			alpha.start()
			alpha.until("beta", func() bool {
				return len(alpha.list(journal.Filter{Peer: "beta", States: []mft.State{mft.StateDone}})) > 1
			}, func() any { return alpha.list(journal.Filter{}) })
			gamma.start()
			alpha.awaitTree(alpha.out, map[string]string{})
			if got := inOrder(t, alpha, 2, 2); !slices.Equal(got, want) {
				t.Errorf("sent were %q, want %q", got, want)
			}
		})
	}
}

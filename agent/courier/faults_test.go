package courier_test

import (
	"context"
	"flag"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"mft.dev/mft/exchange/exchangetest/faulty"
)

var (
	long = flag.Bool("long", false, "all the transfers and manipulations that the design promises, also under -race")
	seed = flag.Uint64("seed", 1, "of everything that is random")
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// ramDisk is where a directory in memory can be made, if it is there.
const ramDisk = "/dev/shm"

// patience is how long anything may take before a test gives up on it: what is
// lost for good comes again after a day at the earliest.
const patience = 2 * time.Minute

// memory returns a directory of the test, in memory where there is such a
// thing.
func memory(t testing.TB) string {
	t.Helper()
	if fi, err := os.Stat(ramDisk); err != nil || !fi.IsDir() {
		return t.TempDir()
	}
	top, err := os.MkdirTemp(ramDisk, "mft-courier-")
	must(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(top) })
	return top
}

// TestFaults: whatever an exchange does to letters and parts, and whenever
// either end is stopped and started, every transfer arrives once and whole, and
// nothing is left behind.
func TestFaults(t *testing.T) {
	const worlds = 4
	n := 2000
	if raceEnabled && !*long || testing.Short() {
		n = 200
	}
	for i := range worlds {
		t.Run(fmt.Sprintf("world %d", i), func(t *testing.T) {
			t.Parallel()
			world(t, *seed*worlds+uint64(i), n/worlds)
		})
	}
}

// world makes n transfers between two ends, in both directions, several at a
// time.
func world(t *testing.T, seed uint64, n int) {
	const atOnce = 12
	r := rand.New(rand.NewPCG(seed, 0))
	top := memory(t)
	alpha, beta, folder := newEnds(t, top)
	ends := []*end{alpha, beta}
	var doubles []*faulty.Double
	clean := map[*end]func(){}
	for i, e := range ends {
		good := e.exchange
		d := faulty.New(good, faulty.Schedule{Seed: seed*2 + uint64(i), Odds: 10})
		doubles = append(doubles, d)
		e.exchange = d.Exchange
		clean[e] = func() { e.exchange = good }
		e.live()
	}
	var open []*shipment
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	settle := func(most int) {
		for len(open) > most {
			open[0].wait(ctx, t)
			open[0].check(t)
			must(t, os.RemoveAll(open[0].src))
			must(t, os.RemoveAll(open[0].dst))
			open = open[1:]
		}
		cancel()
		ctx, cancel = context.WithTimeout(t.Context(), patience)
	}
	defer func() { cancel() }()
	defer func() {
		for _, e := range ends {
			if e.ctx != nil {
				e.die()
			}
		}
	}()
	for i := range n {
		from := r.IntN(2)
		s := newShipment(t, r, i, ends[1-from], top)
		ends[from].ship(s)
		open = append(open, s)
		settle(atOnce)
		if r.IntN(10) == 0 {
			e := ends[r.IntN(2)]
			e.die()
			e.live()
		}
	}
	settle(0)
	for _, e := range ends {
		e.die()
	}
	for _, e := range ends {
		clean[e]()
		e.live()
	}
	empty(ctx, t, folder, ends)
	if harms := len(doubles[0].Done()) + len(doubles[1].Done()); harms < n {
		t.Errorf("%d harms were done to %d transfers, want more", harms, n)
	}
}

// empty waits until nothing is left of transfers.
func empty(ctx context.Context, t *testing.T, folder string, ends []*end) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		left := leftIn(t, folder)
		for _, e := range ends {
			for _, path := range leftIn(t, filepath.Join(e.top, "relay")) {
				if name := filepath.Base(path); name != "instance" && filepath.Base(filepath.Dir(path)) != "aside" {
					left = append(left, path)
				}
			}
		}
		if len(left) == 0 {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%d files are left behind, such as %s", len(left), left[0])
		case <-tick.C:
		}
	}
}

// leftIn returns what of letters, objects and notes lies below dir.
func leftIn(t *testing.T, dir string) (left []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if os.IsNotExist(err) {
			return nil
		}
		object := err == nil && d.IsDir() && strings.HasPrefix(d.Name(), "o-")
		if err == nil && (!d.IsDir() || object) && !strings.Contains(path, "/keys/") {
			left = append(left, path)
		}
		return err
	})
	must(t, err)
	return left
}

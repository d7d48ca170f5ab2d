package dir

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/exchange/exchangetest"
	"mft.dev/mft/internal/confine"
)

// A shift moves the clock of a storage.
type shift struct{ passed chan time.Duration }

func newShift() *shift {
	s := &shift{make(chan time.Duration, 1)}
	s.passed <- 0
	return s
}

func (s *shift) add(d time.Duration) { s.passed <- d + <-s.passed }

func (s *shift) now() time.Duration {
	d := <-s.passed
	s.passed <- d
	return d
}

// open returns a folder as an agent sees it, without waiting, and with the
// clocks of storage and host moved.
func open(t *testing.T, path string, agent mft.AgentName, s *shift) *folder {
	t.Helper()
	f, err := newFolder(Config{Path: path, Agent: agent, Wait: -1})
	if err != nil {
		t.Fatal(err)
	}
	f.clock.local = func() time.Time { return time.Now().Add(s.now()) }
	stamp := f.clock.stamp
	f.clock.stamp = func(root *confine.Root) (time.Time, error) {
		at, err := stamp(root)
		return at.Add(s.now()), err
	}
	return f
}

// shared returns a folder with directories of the agents.
func shared(t *testing.T, agents ...mft.AgentName) string {
	t.Helper()
	path := t.TempDir()
	for _, agent := range agents {
		if _, err := Setup(t.Context(), path, agent); err != nil {
			t.Fatal(err)
		}
	}
	return path
}

func TestConformance(t *testing.T) {
	exchangetest.Run(t, func(t *testing.T) exchangetest.Bench {
		const a, b = "alpha", "beta"
		path, s := shared(t, a, b), newShift()
		if err := os.WriteFile(filepath.Join(path, "outside"), []byte("secret"), 0o600); err != nil {
			t.Fatal(err)
		}
		return exchangetest.Bench{
			NameA: a, NameB: b, Absent: "nobody",
			A: open(t, path, a, s).exchange(), B: open(t, path, b, s).exchange(), Twin: open(t, path, b, s).exchange(),
			Lease: time.Minute, Life: time.Minute, Elapse: s.add,
		}
	})
}

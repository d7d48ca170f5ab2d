package arrival

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/trigger"
)

// dated makes a file that was modified so many minutes after the epoch.
func (b *bench) dated(name string, minutes int) {
	b.t.Helper()
	b.write(name, name)
	at := time.Unix(int64(minutes)*60, 0)
	if err := os.Chtimes(filepath.Join(b.w.Root(), name), at, at); err != nil {
		b.t.Fatal(err)
	}
}

func TestLatest(t *testing.T) {
	b := newBench(t, func(ch *mft.Channel) { ch.Select = mft.Selection{Include: []string{"*.csv"}, Latest: 2} })
	b.dated("a.csv", 1)
	b.dated("sub/b.csv", 3)
	b.dated("c.csv", 2)
	b.dated("d.csv", 2)
	b.dated("e.tmp", 9)
	got, moves := b.explained("")
	want := map[string]trigger.Why{
		"a.csv": trigger.WhyNotLatest, "sub/b.csv": trigger.WhyNew, "c.csv": trigger.WhyNotLatest, "d.csv": trigger.WhyNew, "e.tmp": trigger.WhyNotIncluded,
	}
	if !maps.Equal(got, want) {
		t.Errorf("Explain = %v, want %v", got, want)
	}
	if got, _ := b.explained("a.csv"); got["a.csv"] != trigger.WhyNotLatest {
		t.Errorf("Explain of one file = %v, want that others are newer", got)
	}
	sweep := func(run string, want ...string) {
		t.Helper()
		b.placed = nil
		if _, err := b.w.Sweep(t.Context(), run); err != nil {
			t.Fatal(err)
		}
		if got := b.sources(); !slices.Equal(got, want) {
			t.Errorf("run %s sent %q, want %q", run, got, want)
		}
	}
	sweep("1", moves...)
	sweep("2") // what was sent still is the latest
	b.dated("new.csv", 4)
	sweep("3", "new.csv")
	if err := os.Remove(filepath.Join(b.w.Root(), "new.csv")); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(b.w.Root(), "sub", "b.csv")); err != nil {
		t.Fatal(err)
	}
	sweep("4", "c.csv")
}

// A file that is not the latest any more when it has become stable stays.
func TestLatestArrives(t *testing.T) {
	b := newBench(t, func(ch *mft.Channel) { ch.Select.Latest = 1 })
	b.dated("a", 1)
	b.look("a")
	b.dated("b", 2)
	b.now = b.now.Add(time.Second)
	if got := b.look("a", "b"); len(got) > 0 {
		t.Errorf("sent were %q, want nothing: a is not the latest, b not stable", got)
	}
	if len(b.w.settling) != 1 || len(b.w.ready) != 0 {
		t.Errorf("%d files settle and %d are ready, want b alone to settle", len(b.w.settling), len(b.w.ready))
	}
	b.now = b.now.Add(time.Second)
	if got := b.look(""); fmt.Sprint(got) != "[b]" {
		t.Errorf("sent were %q, want b", got)
	}
}

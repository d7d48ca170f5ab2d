package conduct

import (
	"path/filepath"
	"testing"
	"time"

	"mft.dev/mft/journal"
	"mft.dev/mft/trigger/firing"
)

// TestSavesWhatChanges: a channel that was looked at for the first time is on record, and from then on
// whatever changes, also within what two states share, but for how late it is.
func TestSavesWhatChanges(t *testing.T) {
	ctx := t.Context()
	x, j := paper(t, filepath.Join(t.TempDir(), "journal.db"))
	defer func() { _ = j.Close() }()
	spot := firing.Spot("source/activity")
	const unwritten = "{}"
	s := firing.State{}
	for _, step := range []struct {
		name    string
		change  func()
		written bool
	}{
		{"first", func() {}, true},
		{"nothing", func() {}, false},
		{"later", func() { s.Looked = time.Unix(1e9, 0) }, false},
		{"a marker", func() { s.Shown = map[firing.Spot]int64{spot: 1} }, true},
		{"nothing again", func() {}, false},
		{"another in the same map", func() { s.Shown[spot] = 2 }, true},
	} {
		err := j.Update(ctx, func(tx *journal.Tx) error { return tx.SetChannel(x.Channel.Name, []byte(unwritten)) })
		if err != nil {
			t.Fatal(err)
		}
		step.change()
		if err := x.save(ctx, s, x.hopes); err != nil {
			t.Fatal(err)
		}
		b, err := j.Channel(ctx, x.Channel.Name)
		if err != nil || (string(b) != unwritten) != step.written {
			t.Errorf("%s: the journal has %s, %v; written: %t", step.name, b, err, step.written)
		}
	}
}

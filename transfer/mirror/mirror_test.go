package mirror

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/internal/confine"
	"mft.dev/mft/journal"
	"mft.dev/mft/journal/ledger"
	"mft.dev/mft/protocol/listing"
)

// A destination is a directory with a journal that knows a transfer into it.
type destination struct {
	t       *testing.T
	dir     string
	root    *confine.Root
	journal *journal.Journal
	// between is called when it is planned what to remove, and nothing is removed.
	between func()
	leave   Leave
}

var theTransfer = mft.TransferID{1}

func newDestination(t *testing.T, files ...string) *destination {
	t.Helper()
	d := &destination{t: t, dir: filepath.Join(t.TempDir(), "in")}
	for _, name := range files {
		d.write(name)
	}
	var err error
	if d.root, err = confine.Open(d.dir); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.root.Close() })
	if d.journal, err = journal.Open(t.Context(), filepath.Join(t.TempDir(), "journal.db")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.journal.Close() })
	err = d.journal.Update(t.Context(), func(tx *journal.Tx) error {
		return tx.Create(mft.Transfer{
			ID: theTransfer, Role: mft.RoleReceive, Peer: "alpha", State: mft.StateRunning,
			Overwrite: mft.OverwriteReplace, Created: time.Now(), Updated: time.Now(),
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// write makes a file.
func (d *destination) write(name string) {
	d.t.Helper()
	p := filepath.Join(d.dir, name)
	if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
		d.t.Fatal(err)
	}
	if err := os.WriteFile(p, []byte(name), 0o644); err != nil {
		d.t.Fatal(err)
	}
}

// finish mirrors a source that has nothing but keep, listed as l says.
func (d *destination) finish(l listing.Listed, seal mft.Seal) Rest {
	d.t.Helper()
	m := New(d.root, "", false, d.leave)
	m.Announced(0, "keep")
	l.Count = 1
	if err := m.Listed(d.t.Context(), &l, 1, nil); err != nil {
		d.t.Fatal(err)
	}
	return m.Finish(d.t.Context(), Terms{
		Ledger: ledger.Of(d.journal, theTransfer), Limits: mft.Mirror{On: true, MaxFiles: -1, MaxPercent: -1},
		Note:   func(mft.EventKind, mft.Code, string) {},
		Failed: func(err error) { d.t.Errorf("not removed: %v", err) },
		Step: func(_ string, do func() error) error {
			if d.between != nil {
				d.between()
			}
			return do()
		},
	}, &seal)
}

// has returns the files at the destination, in order.
func (d *destination) has() (files []string) {
	d.t.Helper()
	err := filepath.WalkDir(d.dir, func(p string, e os.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			rel, _ := filepath.Rel(d.dir, p)
			files = append(files, filepath.ToSlash(rel))
		}
		return err
	})
	if err != nil {
		d.t.Fatal(err)
	}
	return files
}

func TestFinish(t *testing.T) {
	const staged = ".mft-00000000000000000000000000000001.part/x"
	whole := mft.Seal{Whole: true}
	for _, tt := range []struct {
		name   string
		files  []string
		listed listing.Listed
		seal   mft.Seal
		want   []string
		code   mft.Code // of a refusal
	}{
		{"what is not in the source goes", []string{"keep", "gone", "dir/a", "dir/b/c"}, listing.Listed{Whole: true}, whole, []string{"keep"}, ""},
		{"not if something could not be read", []string{"keep", "gone"}, listing.Listed{Whole: true}, mft.Seal{Whole: true, Failed: 1}, []string{"gone", "keep"}, ""},
		{"not if the source was empty", []string{"keep", "gone"}, listing.Listed{Whole: true}, mft.Seal{}, []string{"gone", "keep"}, mft.CodeEmptySource},
		{"not if the directory changed while it was listed", []string{"keep", "gone", "dir/a"}, listing.Listed{}, whole, []string{"dir/a", "gone", "keep"}, ""},
		{"not what does not travel at the source", []string{"keep", "socket"}, listing.Listed{Whole: true, Kept: []string{"socket"}}, whole, []string{"keep", "socket"}, ""},
		{"not the staging of a transfer", []string{"keep", staged, "gone"}, listing.Listed{Whole: true}, whole, []string{staged, "keep"}, ""},
		{"not a directory that holds one", []string{"keep", "dir/a", "dir/deep/" + staged}, listing.Listed{Whole: true}, whole, []string{"dir/a", "dir/deep/" + staged, "keep"}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := newDestination(t, tt.files...)
			rest := d.finish(tt.listed, tt.seal)
			if rest.Err != nil {
				t.Fatalf("Finish: %v", rest.Err)
			}
			if tt.code != "" && mft.CodeOf(rest.Refused) != tt.code || tt.code == "" && rest.Refused != nil {
				t.Errorf("refused: %v, want code %q", rest.Refused, tt.code)
			}
			if got := d.has(); !slices.Equal(got, tt.want) {
				t.Errorf("the destination has %q, want %q", got, tt.want)
			}
		})
	}
}

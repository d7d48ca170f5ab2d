package journal

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"mft.dev/mft"
	"mft.dev/mft/journal/database"
	"mft.dev/mft/journal/form"
)

func TestOpenMakesAPrivateFile(t *testing.T) {
	dir := t.TempDir()
	j := openAt(t, filepath.Join(dir, "journal.db"))
	create(t, j, 1)
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range files {
		names = append(names, f.Name())
		info, err := f.Info()
		if err != nil {
			t.Fatal(err)
		}
		if runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
			t.Errorf("mode of %s is %v, want 0600", f.Name(), info.Mode())
		}
	}
	want := []string{"journal.db", "journal.db-shm", "journal.db-wal", "journal.db.lock"}
	if !reflect.DeepEqual(names, want) {
		t.Errorf("files %q, want %q", names, want)
	}
}

func TestOpenTakesAnyPath(t *testing.T) {
	for _, name := range []string{"a b", "50%25", "q?mode=memory", "#x", "a&_pragma=synchronous(0)", "ü", "x\xffy"} {
		if runtime.GOOS != "linux" && (strings.Contains(name, "?") || strings.Contains(name, "\xff")) {
			continue // no such names there
		}
		path := filepath.Join(t.TempDir(), name)
		j, err := Open(t.Context(), path)
		if err != nil {
			t.Errorf("Open(%q): %v", path, err)
			continue
		}
		create(t, j, 1)
		if err := j.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		if info, err := os.Stat(path); err != nil || info.Size() == 0 {
			t.Errorf("after Open(%q): %v, %v", path, info, err)
		}
	}
}

func TestOpenKeepsWhatIsThere(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.db")
	first, err := Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	create(t, first, 2)
	update(t, first, func(tx *Tx) error { return tx.Append(event(0)) })
	if err := errors.Join(first.Close(), first.Close()); err != nil {
		t.Fatalf("Close twice: %v", err)
	}
	second := openAt(t, path)
	if got, ok, err := second.Transfer(t.Context(), id(1)); err != nil || !ok || !reflect.DeepEqual(got, planned(1)) {
		t.Errorf("Transfer = %+v, %t, %v", got, ok, err)
	}
	if err := second.Wait(t.Context(), 0); err != nil {
		t.Errorf("Wait for an event of before: %v", err)
	}
}

func TestOpenRefuses(t *testing.T) {
	tests := []struct {
		name string
		make func(t *testing.T, path string)
		want mft.Code
		says string
	}{
		{"one that is open", func(t *testing.T, path string) { openAt(t, path) }, mft.CodeRunning, "another agent"},
		{"a newer schema", func(t *testing.T, path string) {
			f := form.Steps()
			f.Steps = append(f.Steps, "CREATE TABLE later (x)")
			makeDatabase(t, path, f)
		}, mft.CodeJournal, "version 9, written by a newer mft"},
		{"a database of something else", func(t *testing.T, path string) {
			makeDatabase(t, path, database.Form{ApplicationID: 7, Steps: []string{"CREATE TABLE x (y)"}})
		}, mft.CodeJournal, "not a journal"},
		{"no database", func(t *testing.T, path string) {
			if err := os.WriteFile(path, []byte(strings.Repeat("no database ", 500)), 0o600); err != nil {
				t.Fatal(err)
			}
		}, mft.CodeJournal, "not a database"},
		{"a directory that does not exist", func(t *testing.T, path string) {
			if err := os.Remove(filepath.Dir(path)); err != nil {
				t.Fatal(err)
			}
		}, mft.CodeJournal, "lock file"},
		{"a directory", func(t *testing.T, path string) {
			if err := os.Mkdir(path, 0o700); err != nil {
				t.Fatal(err)
			}
		}, mft.CodeJournal, "making the file"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "sub", "journal.db")
			if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			test.make(t, path)
			j, err := Open(t.Context(), path)
			if mft.CodeOf(err) != test.want || !strings.Contains(err.Error(), test.says) {
				t.Errorf("Open = %v, want code %s and %q", err, test.want, test.says)
			}
			if err == nil {
				t.Error(j.Close())
			}
			var coded *mft.Error
			if !errors.As(err, &coded) || !strings.Contains(coded.Subject, path) {
				t.Errorf("the error does not name %q: %v", path, err)
			}
			if test.want != mft.CodeRunning {
				letsGo(t, path)
			}
		})
	}
}

// letsGo makes room for a journal at path and fails the test unless one can be
// opened there: the refusal before has let go of the lock.
func letsGo(t *testing.T, path string) {
	t.Helper()
	if err := os.RemoveAll(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	openAt(t, path)
}

// makeDatabase makes a database of another form.
func makeDatabase(t *testing.T, path string, f database.Form) {
	t.Helper()
	db, err := database.Open(t.Context(), path, f)
	if err != nil {
		t.Fatalf("database.Open: %v", err)
	}
	if err := db.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
}

// TestOpenVersion1 opens what the first version wrote. The fixture is never
// edited: it is what hosts out there have.
func TestOpenVersion1(t *testing.T) {
	script, err := os.ReadFile("testdata/version1.sql")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "journal.db")
	makeDatabase(t, path, database.Form{ApplicationID: form.Steps().ApplicationID, Steps: []string{string(script)}})
	j := openAt(t, path)

	stats, err := j.Stats(t.Context())
	if err != nil || stats.Version != len(form.Steps().Steps) || stats.Newest != 3 || stats.Forgotten != 1 {
		t.Errorf("Stats = %+v, %v", stats, err)
	}
	want := planned(0)
	want.Compare, want.Mirror, want.Unchanged, want.Removed = "", mft.Mirror{}, mft.Count{}, 0 // unheard of then
	want.Compress = ""
	if got, ok, err := j.Transfer(t.Context(), id(0)); err != nil || !ok || !reflect.DeepEqual(got, want) {
		t.Errorf("Transfer = %+v, %t, %v; want %+v", got, ok, err, want)
	}
	if got, err := j.Prepared(t.Context(), id(0)); err != nil ||
		!reflect.DeepEqual(got, []Batch{{N: 3, Entries: entries(2, 2)}}) {
		t.Errorf("Prepared = %+v, %v", got, err)
	}
	if got := committed(t, j, id(0)); !reflect.DeepEqual(got, []int{0, 1}) {
		t.Errorf("committed keys = %v", got)
	}
	checkVersion1(t, j)
}

func checkVersion1(t *testing.T, j *Journal) {
	t.Helper()
	ctx := t.Context()
	if got, _, err := j.Landing(ctx, id(0)); err != nil || got != (Landing{Root: "/srv/in", Dir: "a", Name: "n", AllowSetID: true}) {
		t.Errorf("Landing = %+v, %v", got, err)
	}
	if got, err := j.Staging(ctx, id(0)); err != nil || !reflect.DeepEqual(got, []string{"a/.mft-1.part"}) {
		t.Errorf("Staging = %q, %v", got, err)
	}
	if got, err := j.Partials(ctx, id(0)); err != nil || !reflect.DeepEqual(got, []Partial{{key(9), "t", 77}}) {
		t.Errorf("Partials = %+v, %v", got, err)
	}
	receipt := mft.Receipt{Transfer: id(0), Code: mft.CodePartial, Received: mft.Count{Items: 2, Bytes: 3}, Manifest: digest(4)}
	if got, envelope, _, err := j.Receipt(ctx, id(0)); err != nil || got != receipt || string(envelope) != "signed" {
		t.Errorf("Receipt = %+v, %q, %v", got, envelope, err)
	}
	sent := Sent{Path: hostile, Size: 1, MTime: 2, CTime: 3, Inode: 1 << 63, Transfer: id(0), At: at(3)}
	if got, _, err := j.Sent(ctx, "nightly", hostile); err != nil || got != sent {
		t.Errorf("Sent = %+v, %v; want %+v", got, err, sent)
	}
	if got, err := j.TransferEvents(ctx, id(0)); err != nil || len(got) != 1 || got[0].Detail != event(2).Detail {
		t.Errorf("TransferEvents = %+v, %v", got, err)
	}
	refused(t, j, "a sequence that was seen", mft.CodeReplayed, func(tx *Tx) error { return tx.Witness("erp", [16]byte{1}, 41) })
	update(t, j, func(tx *Tx) error {
		next, err := tx.NextSequence("erp", at(0))
		if want := uint64(at(0).UnixMicro()) + 1; err != nil || next != want {
			t.Errorf("NextSequence = %d, %v; want %d", next, err, want)
		}
		return err
	})
}

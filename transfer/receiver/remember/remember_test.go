package remember

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"mft.dev/mft/internal/confine"
	"mft.dev/mft/protocol"
	"mft.dev/mft/transfer/delta"
)

// A memory is a map.
type memory map[string]confine.Identity

func (m memory) Find(path string, id confine.Identity) *delta.Record {
	if m[path] != id {
		return nil
	}
	return &delta.Record{}
}

func (m memory) Keep(path string, id confine.Identity, _ *delta.Record) { m[path] = id }

func (m memory) Forget(path string) error {
	delete(m, path)
	return nil
}

// keeper returns a keeper of a directory in which there is the file staged.
func keeper(t *testing.T, m Memory) (*Keeper, *os.File) {
	t.Helper()
	dir := t.TempDir()
	root, err := confine.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	f, err := os.Create(filepath.Join(dir, "staged"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if err := f.Truncate(from); err != nil {
		t.Fatal(err)
	}
	return New(m, root), f
}

// TestTidy: what is remembered is what was staged, committed, and is still
// there.
func TestTidy(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a file cannot be renamed that is open")
	}
	rename := func(f *os.File) error { return os.Rename(f.Name(), filepath.Join(filepath.Dir(f.Name()), "final")) }
	for _, tt := range []struct {
		name   string
		record *delta.Record
		end    func(k *Keeper)
		do     func(f *os.File) error
		want   bool
	}{
		{"committed", &delta.Record{}, func(k *Keeper) { k.Committed(1) }, rename, true},
		{"no marks", nil, func(k *Keeper) { k.Committed(1) }, rename, false},
		{"another one committed", &delta.Record{}, func(k *Keeper) { k.Committed(2) }, rename, false},
		{"refused", &delta.Record{}, func(k *Keeper) { k.Refused(1); k.Committed(1) }, rename, false},
		{"gone", &delta.Record{}, func(k *Keeper) { k.Committed(1) }, func(f *os.File) error { return os.Remove(f.Name()) }, false},
		{"another file", &delta.Record{}, func(k *Keeper) { k.Committed(1) }, func(f *os.File) error {
			return os.WriteFile(filepath.Join(filepath.Dir(f.Name()), "final"), make([]byte, from), 0o600)
		}, false},
		{"shorter by now", &delta.Record{}, func(k *Keeper) { k.Committed(1) }, func(f *os.File) error {
			if err := f.Truncate(5); err != nil {
				return err
			}
			return rename(f)
		}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := memory{}
			k, f := keeper(t, m)
			k.Staged(1, "final", tt.record, f)
			if err := tt.do(f); err != nil {
				t.Fatal(err)
			}
			k.Tidy()
			if len(m) > 0 {
				t.Fatal("something was remembered that was not committed")
			}
			tt.end(k)
			k.Tidy()
			path := k.path("final")
			if _, got := m[path]; got != tt.want {
				t.Fatalf("remembered: %v, want %v", got, tt.want)
			}
			if found := k.Recall("final", f) != nil; found != tt.want {
				t.Errorf("recalled: %v, want %v", found, tt.want)
			}
			if err := k.Forget("final"); err != nil || len(m) > 0 {
				t.Errorf("Forget = %v, leaves %v", err, m)
			}
		})
	}
}

func TestWithoutMemory(t *testing.T) {
	k, f := keeper(t, nil)
	if k.Wants(1 << 40) {
		t.Error("marks are wanted, and there is no memory")
	}
	if k.Recall("staged", f) != nil {
		t.Error("something was recalled")
	}
	k.Committed(1)
	k.Tidy()
}

// old is an old version that was closed so many times.
type old int

func (o *old) Close() error { *o++; return nil }

// TestPartWith: each old version is closed once, few are kept open, and none
// after Tidy.
func TestPartWith(t *testing.T) {
	k, _ := keeper(t, nil)
	all := make([]old, protocol.DeltaWindow+3)
	for i := range all {
		k.PartWith(&all[i])
	}
	open := 0
	for _, o := range all {
		if o == 0 {
			open++
		}
	}
	if open > protocol.DeltaWindow {
		t.Errorf("%d are open, want no more than %d", open, protocol.DeltaWindow)
	}
	k.Tidy()
	k.Close()
	for i, o := range all {
		if o != 1 {
			t.Errorf("number %d was closed %d times", i, o)
		}
	}
}

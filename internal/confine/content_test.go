package confine

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"mft.dev/mft"
)

// pieces lists the extents of a file and checks what holds for all of them.
func pieces(t interface {
	Errorf(string, ...any)
	Fatalf(string, ...any)
}, f *os.File, size int64,
) []Extent {
	var out []Extent
	var end int64
	for e, err := range Extents(f, size) {
		if err != nil {
			t.Fatalf("Extents: %v", err)
		}
		if e.Offset != end || e.Length <= 0 {
			t.Errorf("extent %+v follows after offset %d", e, end)
		}
		end = e.Offset + e.Length
		out = append(out, e)
	}
	if end != max(size, 0) {
		t.Errorf("the extents end at %d, want %d", end, size)
	}
	return out
}

func TestExtents(t *testing.T) {
	const unit = 1 << 20
	for _, tt := range []struct {
		name        string
		data        []int64 // the units that hold content
		length      int64   // of the file
		size        int64   // that is asked for
		sparse      []Extent
		neverSparse bool
	}{
		{"empty", nil, 0, 0, nil, true},
		{"negative", nil, 0, -1, nil, true},
		{"dense", []int64{0, 1}, 2 * unit, 2 * unit, []Extent{{0, 2 * unit, false}}, true},
		{"one byte", []int64{0}, 1, 1, []Extent{{0, 1, false}}, true},
		{"all hole", nil, 3 * unit, 3 * unit, []Extent{{0, 3 * unit, true}}, false},
		{"hole first", []int64{2}, 3 * unit, 3 * unit, []Extent{{0, 2 * unit, true}, {2 * unit, unit, false}}, false},
		{"hole last", []int64{0}, 3*unit + 5, 3*unit + 5, []Extent{{0, unit, false}, {unit, 2*unit + 5, true}}, false},
		{"hole between", []int64{0, 2}, 3 * unit, 3 * unit, []Extent{{0, unit, false}, {unit, unit, true}, {2 * unit, unit, false}}, false},
		{"less than the file", []int64{0, 2}, 3 * unit, unit + 1, []Extent{{0, unit, false}, {unit, 1, true}}, false},
		{"more than the file", []int64{0}, unit, 2 * unit, []Extent{{0, unit, false}, {unit, unit, true}}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f, err := os.Create(filepath.Join(t.TempDir(), "f"))
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			for _, u := range tt.data {
				if _, err := f.WriteAt(bytes.Repeat([]byte{1}, unit), u*unit); err != nil {
					t.Fatal(err)
				}
			}
			if err := f.Truncate(tt.length); err != nil {
				t.Fatal(err)
			}
			got := pieces(t, f, tt.size)
			if !tt.neverSparse && len(got) == 1 && !got[0].Hole && len(tt.sparse) > 0 && got[0] != tt.sparse[0] {
				t.Skip("this file system tells of no holes")
			}
			if !slices.Equal(got, tt.sparse) {
				t.Errorf("Extents = %+v, want %+v", got, tt.sparse)
			}
		})
	}
	t.Run("closed file", func(t *testing.T) {
		f, err := os.Create(filepath.Join(t.TempDir(), "f"))
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
		for _, err := range Extents(f, 10) {
			if err == nil && portableRoot {
				continue // where holes cannot be asked for, the file is not
			}
			wantCode(t, "Extents", err, mft.CodeOther)
		}
	})
	t.Run("consumer stops", func(t *testing.T) {
		f, err := os.Create(filepath.Join(t.TempDir(), "f"))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		for range Extents(f, 10) {
			break
		}
	})
}

// What is called a hole reads as zeros, wherever the content lies.
func TestExtentsProperty(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "f"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.Int64Range(0, 1<<18).Draw(t, "size")
		if err := errors.Join(f.Truncate(0), f.Truncate(size)); err != nil {
			t.Fatal(err)
		}
		for range rapid.IntRange(0, 4).Draw(t, "writes") {
			off := rapid.Int64Range(0, size).Draw(t, "off")
			n := rapid.Int64Range(0, size-off).Draw(t, "n")
			if _, err := f.WriteAt(bytes.Repeat([]byte{1}, int(n)), off); err != nil {
				t.Fatal(err)
			}
		}
		for _, e := range pieces(t, f, size) {
			buf := make([]byte, e.Length)
			if _, err := f.ReadAt(buf, e.Offset); err != nil {
				t.Fatal(err)
			}
			if e.Hole && len(bytes.TrimLeft(buf, "\x00")) > 0 {
				t.Fatalf("there is content in the hole %+v", e)
			}
		}
	})
}

func TestPreallocate(t *testing.T) {
	_, d := openTop(t, t.TempDir())
	f, err := d.Create("f")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, size := range []int64{-1, 0, 1, 1 << 20} {
		if err := Preallocate(f, size); err != nil {
			t.Errorf("Preallocate(%d): %v", size, err)
		}
	}
	if _, err := f.WriteString("content"); err != nil {
		t.Fatal(err)
	}
	StartWriteback(f, 0, 7)
	StartWriteback(f, 0, 0) // would mean the whole file
	if err := Flush(f); err != nil {
		t.Errorf("Flush: %v", err)
	}
	if fi, err := f.Stat(); err != nil || fi.Size() != 7 {
		t.Errorf("the length is %d (%v), want 7", fi.Size(), err)
	}
}

func TestFree(t *testing.T) {
	y := newYard(t, Open)
	for _, rel := range []string{"", "a"} {
		s, err := y.Free(rel)
		if err != nil {
			t.Fatal(err)
		}
		if s.Bytes <= 0 || s.Inodes == 0 || s.Inodes < -1 {
			t.Errorf("Free(%q) = %+v", rel, s)
		}
	}
	_, err := y.Free("none")
	wantCode(t, "Free", err, mft.CodeNotFound)
	_, err = y.Free("a/file")
	wantCode(t, "Free", err, mft.CodeWrongType)
}

func TestSyncFS(t *testing.T) {
	y := newYard(t, Open)
	err := y.SyncFS()
	if portableRoot {
		wantCode(t, "SyncFS", err, mft.CodeOther)
		if !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("SyncFS: %v, want %v", err, errors.ErrUnsupported)
		}
	} else if err != nil {
		t.Errorf("SyncFS: %v", err)
	}
}

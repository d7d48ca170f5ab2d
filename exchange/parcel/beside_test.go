package parcel

import (
	"bytes"
	"io"
	"testing"
)

// TestBeside reads a parcel at two places, whose last part is the same.
func TestBeside(t *testing.T) {
	var o object
	f := form(32)
	content := noise(80)
	e := write(t, &o, f, content)
	end := NewReader(t.Context(), f, e, 1, o.fetch)
	defer end.Close()
	all := NewReader(t.Context(), f, e, 2, o.fetch)
	defer all.Close()
	all.Beside(end)
	read := func(r *Reader, from, to int64) {
		t.Helper()
		if err := r.Range(from, to); err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, content[from:to]) {
			t.Errorf("bytes %d to %d: %v, %v", from, to, got, err)
		}
	}
	read(end, 70, 72)
	read(all, 0, 70)
	read(end, 72, 80) // its own copy is as it was
	if o.reads != 3 {
		t.Errorf("%d parts were fetched, want each of 3 once", o.reads)
	}
	read(end, 0, 8) // another part now
	read(all, 64, 80)
	if o.reads != 4 {
		t.Errorf("%d parts were fetched, want 4: the last is still in memory", o.reads)
	}
}

func TestNext(t *testing.T) {
	var o object
	f := form(32)
	content := noise(80)
	e := write(t, &o, f, content)
	r := NewReader(t.Context(), f, e, 2, o.fetch)
	defer r.Close()
	if err := r.Range(10, 70); err != nil {
		t.Fatal(err)
	}
	var got []byte
	for _, want := range []int{20, 2, 20, 12, 6} { // no more than asked for, and than a part has
		p, err := r.Next(20)
		if err != nil || len(p) != want {
			t.Fatalf("Next(20) after %d bytes = %d bytes, %v; want %d", len(got), len(p), err, want)
		}
		got = append(got, p...)
	}
	if p, err := r.Next(20); err != io.EOF || !bytes.Equal(got, content[10:70]) {
		t.Errorf("Next at the end = %v, %v; want the end, and all of the range before", p, err)
	}
}

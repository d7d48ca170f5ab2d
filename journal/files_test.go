package journal

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"testing"

	"mft.dev/mft"
	"mft.dev/mft/journal/batch"
)

func entries(from, n int) []Entry {
	out := make([]Entry, n)
	for i := range out {
		k := from + i
		out[i] = Entry{
			Key: key(k), Digest: digest(k), Size: int64(k) << 20, Type: mft.ItemFile, Overwrite: mft.OverwriteNever,
			Temp:  fmt.Sprintf("in/.mft-%s.part/%x", hostile, key(k)),
			Final: fmt.Sprintf("in/%s/report-%d.csv", hostile, k),
		}
	}
	return out
}

func TestLanding(t *testing.T) {
	j := newJournal(t)
	create(t, j, 2)
	if _, ok, err := j.Landing(t.Context(), id(0)); err != nil || ok {
		t.Errorf("Landing before it is set: %t, %v", ok, err)
	}
	for _, want := range []Landing{{}, {Root: "/srv/" + hostile, Dir: "a/b", Name: hostile, AllowSetID: true}} {
		update(t, j, func(tx *Tx) error { return tx.SetLanding(id(0), want) })
		got, ok, err := j.Landing(t.Context(), id(0))
		if err != nil || !ok || got != want {
			t.Errorf("Landing = %+v, %t, %v; want %+v", got, ok, err, want)
		}
	}
	if _, ok, err := j.Landing(t.Context(), id(1)); err != nil || ok {
		t.Errorf("Landing of another transfer: %t, %v", ok, err)
	}
}

func TestStagingAndPartials(t *testing.T) {
	j := newJournal(t)
	create(t, j, 2)
	update(t, j, func(tx *Tx) error {
		var errs []error
		for _, dir := range []string{"z", hostile, "z", "a"} {
			errs = append(errs, tx.AddStaging(id(0), dir))
		}
		for _, p := range []Partial{{key(3), "t3", 5}, {key(1), hostile, 1 << 40}, {key(3), "t3b", 9}, {key(2), "t2", 0}} {
			errs = append(errs, tx.SavePartial(id(0), p))
		}
		errs = append(errs, tx.DropPartial(id(0), key(2)), tx.DropPartial(id(0), key(77)))
		errs = append(errs, tx.AddStaging(id(1), "other"), tx.SavePartial(id(1), Partial{key(1), "other", 1}))
		return errors.Join(errs...)
	})
	check := func(n int, dirs []string, partials []Partial) {
		t.Helper()
		if got, err := j.Staging(t.Context(), id(n)); err != nil || !reflect.DeepEqual(got, dirs) {
			t.Errorf("Staging(%d) = %q, %v; want %q", n, got, err, dirs)
		}
		if got, err := j.Partials(t.Context(), id(n)); err != nil || !reflect.DeepEqual(got, partials) {
			t.Errorf("Partials(%d) = %+v, %v; want %+v", n, got, err, partials)
		}
	}
	check(0, []string{"z", hostile, "a"}, []Partial{{key(1), hostile, 1 << 40}, {key(3), "t3b", 9}})
	update(t, j, func(tx *Tx) error { return tx.ClearStaging(id(0)) })
	check(0, nil, nil)
	check(1, []string{"other"}, []Partial{{key(1), "other", 1}})
}

// batches puts n batches of each entries into PREPARED and returns them.
func batches(t testing.TB, j *Journal, id mft.TransferID, n, each int) []Batch {
	t.Helper()
	out := make([]Batch, n)
	update(t, j, func(tx *Tx) error {
		for i := range out {
			out[i].Entries = entries(i*each, each)
			var err error
			if out[i].N, err = tx.Prepare(id, out[i].Entries); err != nil {
				return err
			}
		}
		return nil
	})
	return out
}

// committed returns the numbers of the keys that are committed.
func committed(t testing.TB, j *Journal, id mft.TransferID) []int {
	t.Helper()
	var out []int
	err := j.Committed(t.Context(), id, func(k [16]byte, d mft.Digest) error {
		n := int(k[6])<<8 | int(k[7])
		if d != digest(n) {
			t.Errorf("digest of key %d is %s", n, d)
		}
		out = append(out, n)
		return nil
	})
	if err != nil {
		t.Fatalf("Committed: %v", err)
	}
	return out
}

func TestBatches(t *testing.T) {
	j := newJournal(t)
	create(t, j, 2)
	const n, each = 3*chunk + 2, 3
	all := batches(t, j, id(0), n, each)
	other := batches(t, j, id(1), 1, 1)
	if got, err := j.Prepared(t.Context(), id(0)); err != nil || !reflect.DeepEqual(got, all) {
		t.Fatalf("Prepared = %+v, %v; want %+v", got, err, all)
	}
	if got := committed(t, j, id(0)); got != nil {
		t.Errorf("committed before any commit: %v", got)
	}

	// Every second one is committed, the second is dropped.
	var left []Batch
	var want []int
	update(t, j, func(tx *Tx) error {
		errs := []error{tx.Drop(id(0), all[1].N)}
		for i, b := range all {
			switch {
			case i%2 == 0:
				errs = append(errs, tx.Commit(id(0), b.N))
				want = append(want, i*each, i*each+1, i*each+2)
			case i != 1:
				left = append(left, b)
			}
		}
		return errors.Join(errs...)
	})
	if got, err := j.Prepared(t.Context(), id(0)); err != nil || !reflect.DeepEqual(got, left) {
		t.Errorf("Prepared after commits = %+v, %v; want %+v", got, err, left)
	}
	if got := committed(t, j, id(0)); !reflect.DeepEqual(got, want) {
		t.Errorf("committed keys = %v, want %v", got, want)
	}
	for _, b := range []int64{all[0].N, all[1].N, other[0].N, 0, 1 << 40} {
		refused(t, j, fmt.Sprint("Commit ", b), mft.CodeBadState, func(tx *Tx) error { return tx.Commit(id(0), b) })
		refused(t, j, fmt.Sprint("Drop ", b), mft.CodeBadState, func(tx *Tx) error { return tx.Drop(id(0), b) })
	}
	if got, err := j.Prepared(t.Context(), id(1)); err != nil || !reflect.DeepEqual(got, other) {
		t.Errorf("Prepared of the other transfer = %+v, %v; want %+v", got, err, other)
	}
}

func TestBatchNumbersAreNotUsedAgain(t *testing.T) {
	j := newJournal(t)
	create(t, j, 1)
	first := batches(t, j, id(0), 1, 1)[0].N
	update(t, j, func(tx *Tx) error { return tx.Drop(id(0), first) })
	if second := batches(t, j, id(0), 1, 1)[0].N; second == first {
		t.Errorf("a new batch has number %d of one that was dropped", second)
	}
}

func TestCommittedStopsAtTheErrorOfItsCaller(t *testing.T) {
	j := newJournal(t)
	create(t, j, 1)
	b := batches(t, j, id(0), 1, 5)[0]
	update(t, j, func(tx *Tx) error { return tx.Commit(id(0), b.N) })
	stop := errors.New("stop")
	seen := 0
	err := j.Committed(t.Context(), id(0), func([16]byte, mft.Digest) error {
		seen++
		// It may use the journal meanwhile.
		update(t, j, func(tx *Tx) error { return tx.AddAttempt(id(0)) })
		if _, err := j.Staging(t.Context(), id(0)); err != nil {
			t.Errorf("Staging: %v", err)
		}
		if seen == 2 {
			return stop
		}
		return nil
	})
	if err != stop || seen != 2 {
		t.Errorf("Committed = %v after %d items; want %v after 2", err, seen, stop)
	}
}

func TestPrepareRefuses(t *testing.T) {
	change := func(f func(*Entry)) []Entry {
		out := entries(0, 2)
		f(&out[1])
		return out
	}
	long := string(bytes.Repeat([]byte("x"), batch.MaxPath+1))
	many := make([]Entry, MaxBatch+1)
	wide := make([]Entry, batch.MaxNames/batch.MaxPath+1)
	for i := range wide {
		wide[i].Final = long[:batch.MaxPath]
	}
	tests := []struct {
		name    string
		entries []Entry
	}{
		{"nothing", nil},
		{"too many", many},
		{"a long temp", change(func(e *Entry) { e.Temp = long })},
		{"a long final", change(func(e *Entry) { e.Final = long })},
		{"too much altogether", wide},
		{"a negative size", change(func(e *Entry) { e.Size = -1 })},
		{"an unknown policy", change(func(e *Entry) { e.Overwrite = "maybe" })},
	}
	j := newJournal(t)
	create(t, j, 1)
	for _, test := range tests {
		refused(t, j, test.name, mft.CodeInternal, func(tx *Tx) error {
			_, err := tx.Prepare(id(0), test.entries)
			return err
		})
	}
	if got, err := j.Prepared(t.Context(), id(0)); err != nil || got != nil {
		t.Errorf("Prepared = %+v, %v", got, err)
	}
}

func TestDamagedBatchIsReported(t *testing.T) {
	j := newJournal(t)
	create(t, j, 1)
	b := batches(t, j, id(0), 1, 200)[0]
	update(t, j, func(tx *Tx) error {
		_, err := tx.db.Exec("damage", "UPDATE prepared SET names = substr(names, 1, length(names) / 2) WHERE batch = ?", b.N)
		return err
	})
	if got, err := j.Prepared(t.Context(), id(0)); mft.CodeOf(err) != mft.CodeJournal || got != nil {
		t.Errorf("Prepared = %d batches, %v; want code %s", len(got), err, mft.CodeJournal)
	}
}

func TestReceipt(t *testing.T) {
	j := newJournal(t)
	create(t, j, 1)
	if _, _, ok, err := j.Receipt(t.Context(), id(0)); err != nil || ok {
		t.Errorf("Receipt before there is one: %t, %v", ok, err)
	}
	tests := []struct {
		r        mft.Receipt
		envelope []byte
	}{
		{mft.Receipt{Transfer: id(0), Code: mft.CodeOK}, nil},
		{mft.Receipt{
			Transfer: id(0), Code: mft.CodePartial, Detail: hostile, Received: mft.Count{Items: 3, Bytes: 1 << 44},
			Failed: 2, Manifest: digest(5),
		}, []byte{0, 1, 255}},
	}
	for _, test := range tests {
		update(t, j, func(tx *Tx) error { return tx.StoreReceipt(id(0), test.r, test.envelope) })
		r, envelope, ok, err := j.Receipt(t.Context(), id(0))
		if err != nil || !ok || r != test.r || !bytes.Equal(envelope, test.envelope) {
			t.Errorf("Receipt = %+v, %x, %t, %v; want %+v, %x", r, envelope, ok, err, test.r, test.envelope)
		}
	}
}

func TestSent(t *testing.T) {
	j := newJournal(t)
	last := Sent{Path: hostile, Size: 1 << 50, MTime: -5, CTime: 7, Inode: 1<<63 + 3, Transfer: id(4), At: at(4)}
	for _, want := range []Sent{{Path: hostile, Transfer: id(3)}, last} {
		update(t, j, func(tx *Tx) error { return tx.MarkSent("nightly", want) })
		got, ok, err := j.Sent(t.Context(), "nightly", hostile)
		if err != nil || !ok || got != want {
			t.Errorf("Sent = %+v, %t, %v; want %+v", got, ok, err, want)
		}
	}
	for _, at := range [][2]string{{"nightly", "other"}, {"other", hostile}, {"nightly", ""}} {
		if _, ok, err := j.Sent(t.Context(), at[0], at[1]); err != nil || ok {
			t.Errorf("Sent%q = %t, %v; want none", at, ok, err)
		}
	}
	refused(t, j, "no path", mft.CodeInternal, func(tx *Tx) error { return tx.MarkSent("nightly", Sent{}) })
}

package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"mft.dev/mft"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func testForm() Form {
	return Form{ApplicationID: 42, Steps: []string{"CREATE TABLE names (name TEXT PRIMARY KEY) STRICT"}}
}

func newDB(t testing.TB) *DB {
	t.Helper()
	d, err := Open(t.Context(), filepath.Join(t.TempDir(), "test.db"), testForm())
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return d
}

func add(name string) func(*Tx) error {
	return func(tx *Tx) error {
		_, err := tx.Exec("add", "INSERT INTO names VALUES (?)", name)
		return err
	}
}

func names(t testing.TB, d *DB) []string {
	t.Helper()
	var out []string
	err := d.Rows(t.Context(), "list", "SELECT name FROM names ORDER BY rowid", nil, func(rows *sql.Rows) error {
		var s string
		err := rows.Scan(&s)
		out = append(out, s)
		return err
	})
	if err != nil {
		t.Fatalf("Rows: %v", err)
	}
	return out
}

// group makes one group of the functions: they queue up while another one
// holds the lead. It returns what each was told, once all were told.
func group(t *testing.T, d *DB, fs ...func(*Tx) error) []error {
	t.Helper()
	leading, ready := make(chan struct{}), make(chan struct{})
	first := make(chan error, 1)
	go func() {
		first <- d.Update(t.Context(), func(*Tx) error {
			close(leading)
			<-ready
			return nil
		})
	}()
	<-leading
	told := make([]chan error, len(fs))
	for i, f := range fs {
		told[i] = make(chan error, 1)
		go func() {
			returned := false
			defer func() {
				if !returned {
					told[i] <- fmt.Errorf("panic: %v", recover())
				}
			}()
			err := d.Update(context.Background(), f)
			returned = true
			told[i] <- err
		}()
		queued(d, i+1)
	}
	close(ready)
	if err := <-first; err != nil {
		t.Errorf("the first Update: %v", err)
	}
	errs := make([]error, len(fs))
	for i := range told {
		errs[i] = <-told[i]
	}
	return errs
}

// queued returns once n calls are in the queue.
func queued(d *DB, n int) {
	for {
		d.mu.Lock()
		got := len(d.queue)
		d.mu.Unlock()
		if got == n {
			return
		}
		runtime.Gosched()
	}
}

func TestGroupMembersDoNotHarmEachOther(t *testing.T) {
	d := newDB(t)
	undo := errors.New("undo")
	ignored := func(tx *Tx) error {
		if err := add("lost")(tx); err != nil {
			return err
		}
		if _, err := tx.Exec("fail", "INSERT INTO nowhere VALUES (1)"); err == nil {
			t.Error("a statement that cannot work did")
		}
		err := add("not run")(tx)
		if mft.CodeOf(err) != mft.CodeJournal || !strings.Contains(err.Error(), "nowhere") {
			t.Errorf("after a failure: %v", err)
		}
		return nil // as if nothing had happened
	}
	errs := group(t, d, add("a"), func(tx *Tx) error { return errors.Join(add("b")(tx), undo) }, add("c"), ignored, add("d"))
	for i, want := range []mft.Code{mft.CodeOK, mft.CodeOther, mft.CodeOK, mft.CodeJournal, mft.CodeOK} {
		if got := mft.CodeOf(errs[i]); got != want {
			t.Errorf("member %d was told %v, want code %s", i, errs[i], want)
		}
	}
	if !errors.Is(errs[1], undo) {
		t.Errorf("member 1 was told %v, want its own error", errs[1])
	}
	if got, want := names(t, d), []string{"a", "c", "d"}; !slices.Equal(got, want) {
		t.Errorf("written %q, want %q", got, want)
	}
}

func TestGroupSharesOneTransaction(t *testing.T) {
	d := newDB(t)
	var txs []*writer
	begun := 0
	see := func(tx *Tx) error {
		txs = append(txs, tx.w)
		// Each sees what the others did before it.
		var n int
		_, err := tx.Row("count", "SELECT count(*) FROM names", nil, &n)
		if n != begun {
			t.Errorf("a member sees %d rows, want %d", n, begun)
		}
		begun++
		return errors.Join(err, add(fmt.Sprint(n))(tx))
	}
	// Nobody else sees any of it before the end.
	last := func(tx *Tx) error {
		var n int
		if _, err := d.Row(context.Background(), "count", "SELECT count(*) FROM names", nil, &n); err != nil || n != 0 {
			t.Errorf("a reader sees %d rows, %v", n, err)
		}
		return nil
	}
	if err := errors.Join(group(t, d, see, see, see, last)...); err != nil {
		t.Error(err)
	}
	if got := names(t, d); len(got) != 3 {
		t.Errorf("written %q", got)
	}
}

func TestGroupFailsTogetherWhenTheCommitFails(t *testing.T) {
	d := newDB(t)
	seed := func(tx *Tx) error {
		_, err := tx.Exec("add", "CREATE TABLE children (parent TEXT REFERENCES names)")
		return err
	}
	if err := d.Update(t.Context(), seed); err != nil {
		t.Fatal(err)
	}
	// A reference that stays open until COMMIT makes just that fail.
	orphan := func(tx *Tx) error {
		_, err := tx.Exec("defer", "PRAGMA defer_foreign_keys = ON")
		if err == nil {
			_, err = tx.Exec("orphan", "INSERT INTO children VALUES ('nobody')")
		}
		return err
	}
	for i, err := range group(t, d, add("a"), orphan, add("b")) {
		if mft.CodeOf(err) != mft.CodeJournal || !strings.Contains(err.Error(), "committing") {
			t.Errorf("member %d was told %v, want code %s", i, err, mft.CodeJournal)
		}
	}
	if got := names(t, d); got != nil {
		t.Errorf("written %q, want nothing", got)
	}
	if err := d.Update(t.Context(), add("later")); err != nil {
		t.Errorf("Update after a failed commit: %v", err)
	}
	if got := names(t, d); !slices.Equal(got, []string{"later"}) {
		t.Errorf("written %q", got)
	}
}

func TestFullDiskFailsTheGroupAndHeals(t *testing.T) {
	d := newDB(t)
	limit := func(pages int) {
		// As large as it is allowed to get is what SQLite calls a full disk.
		if _, err := d.writer.conn.ExecContext(t.Context(), fmt.Sprint("PRAGMA max_page_count = ", pages)); err != nil {
			t.Fatal(err)
		}
	}
	limit(1)
	big := func(tx *Tx) error { return add(strings.Repeat("x", 1<<20))(tx) }
	errs := group(t, d, add("a"), big, add("b"))
	if mft.CodeOf(errs[1]) != mft.CodeNoSpace {
		t.Errorf("told %v, want code %s", errs[1], mft.CodeNoSpace)
	}
	var want []string
	for i, name := range map[int]string{0: "a", 2: "b"} {
		switch mft.CodeOf(errs[i]) {
		case mft.CodeOK:
			want = append(want, name)
		case mft.CodeNoSpace:
		default:
			t.Errorf("member %d was told %v", i, errs[i])
		}
	}
	slices.Sort(want)
	if got := names(t, d); !slices.Equal(got, want) {
		t.Errorf("written %q, acknowledged %q", got, want)
	}
	if d.writer.conn != nil {
		limit(1 << 20)
	}
	if err := d.Update(t.Context(), big); err != nil {
		t.Errorf("Update with space again: %v", err)
	}
}

func TestPanicLeavesNobodyWaiting(t *testing.T) {
	tests := []struct {
		name string
		f    func(*Tx) error
	}{
		{"panic", func(*Tx) error { panic("of a caller") }},
		{"exit", func(*Tx) error { runtime.Goexit(); return nil }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			d := newDB(t)
			errs := group(t, d, add("a"), test.f, add("b"))
			for i, err := range errs {
				if err == nil {
					t.Errorf("member %d was told that all is well", i)
				}
			}
			if got := names(t, d); got != nil {
				t.Errorf("written %q, want nothing", got)
			}
			if err := d.Update(t.Context(), add("later")); err != nil {
				t.Errorf("Update afterwards: %v", err)
			}
		})
	}
}

func TestManyCallers(t *testing.T) {
	d := newDB(t)
	const callers, each = 32, 25
	errs := make(chan error)
	for c := range callers {
		go func() {
			for i := range each {
				err := d.Update(t.Context(), func(tx *Tx) error {
					if err := add(fmt.Sprint(c, " ", i))(tx); err != nil {
						return err
					}
					if i%5 == 4 {
						return errors.New("undo")
					}
					return nil
				})
				if (err != nil) != (i%5 == 4) {
					errs <- fmt.Errorf("caller %d, update %d: %w", c, i, err)
					return
				}
			}
			errs <- nil
		}()
	}
	for range callers {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	got := names(t, d)
	if len(got) != callers*each*4/5 {
		t.Errorf("%d rows, want %d", len(got), callers*each*4/5)
	}
	slices.Sort(got)
	for c := range callers {
		for i := range each {
			if _, ok := slices.BinarySearch(got, fmt.Sprint(c, " ", i)); ok == (i%5 == 4) {
				t.Errorf("row %d of caller %d: there %t", i, c, ok)
			}
		}
	}
}

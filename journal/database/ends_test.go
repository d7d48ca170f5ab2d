package database

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"runtime"
	"slices"
	"testing"

	"mft.dev/mft"
)

// This file tests what ends an update early, or the database.

func TestContextWithdraws(t *testing.T) {
	d := newDB(t)
	ctx, cancel := context.WithCancel(t.Context())
	ran := false
	run := func(*Tx) error { ran = true; return nil }

	leading, ready := make(chan struct{}), make(chan struct{})
	first, second := make(chan error), make(chan error)
	go func() {
		first <- d.Update(t.Context(), func(*Tx) error { close(leading); <-ready; return nil })
	}()
	<-leading
	go func() { second <- d.Update(ctx, run) }()
	queued(d, 1)
	cancel()
	if err := <-second; !errors.Is(err, context.Canceled) || mft.CodeOf(err) != mft.CodeCancelled {
		t.Errorf("a queued Update was told %v", err)
	}
	close(ready)
	if err := <-first; err != nil {
		t.Errorf("the first Update: %v", err)
	}
	if err := d.Update(ctx, run); !errors.Is(err, context.Canceled) {
		t.Errorf("an Update that leads was told %v", err)
	}
	if ran {
		t.Error("a function ran whose context was done")
	}
	late, cancel := context.WithCancel(t.Context())
	err := d.Update(late, func(tx *Tx) error { cancel(); return add("a")(tx) })
	if got := names(t, d); err != nil || len(got) != 1 {
		t.Errorf("cancelled while it ran: %v, written %q", err, got)
	}
	expired, cancel := context.WithTimeout(t.Context(), 0)
	defer cancel()
	if err := d.Update(expired, run); mft.CodeOf(err) != mft.CodeTimeout {
		t.Errorf("past its deadline: %v", err)
	}
	if err := d.Rows(ctx, "list", "SELECT 1", nil, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("Rows with a cancelled context: %v", err)
	}
}

// TestContextHasNoEffectOnceTheFunctionRan cancels a member of a group after
// its function and before the commit.
func TestContextHasNoEffectOnceTheFunctionRan(t *testing.T) {
	d := newDB(t)
	ctx, cancel := context.WithCancel(t.Context())
	leading, ready := make(chan struct{}), make(chan struct{})
	told := make(chan error)
	update := func(ctx context.Context, f func(*Tx) error) { told <- d.Update(ctx, f) }
	go update(t.Context(), func(*Tx) error { close(leading); <-ready; return nil })
	<-leading
	go update(t.Context(), add("a"))
	queued(d, 1)
	go update(ctx, add("b"))
	queued(d, 2)
	go update(t.Context(), func(tx *Tx) error { cancel(); return add("c")(tx) })
	queued(d, 3)
	close(ready)
	for range 4 {
		if err := <-told; err != nil {
			t.Errorf("told %v", err)
		}
	}
	if got, want := names(t, d), []string{"a", "b", "c"}; !slices.Equal(got, want) {
		t.Errorf("written %q, want %q", got, want)
	}
}

func TestCloseWaitsAndRefuses(t *testing.T) {
	d := newDB(t)
	leading, ready := make(chan struct{}), make(chan struct{})
	told, closed := make(chan error, 2), make(chan error)
	go func() {
		told <- d.Update(t.Context(), func(tx *Tx) error { close(leading); <-ready; return add("a")(tx) })
	}()
	<-leading
	go func() { told <- d.Update(t.Context(), add("b")) }()
	queued(d, 1)
	go func() { closed <- d.Close() }()
	for done := false; !done; runtime.Gosched() {
		d.mu.Lock()
		done = d.closed
		d.mu.Unlock()
	}
	if err := d.Update(t.Context(), add("c")); mft.CodeOf(err) != mft.CodeJournal {
		t.Errorf("Update while closing: %v", err)
	}
	close(ready)
	if err := errors.Join(<-told, <-told, <-closed); err != nil {
		t.Errorf("what had begun: %v", err)
	}
	if _, err := d.Row(t.Context(), "x", "SELECT 1", nil, new(int)); mft.CodeOf(err) != mft.CodeJournal {
		t.Errorf("Row of a closed database: %v", err)
	}
	if _, err := os.Stat(d.path + "-wal"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a connection is still open: the -wal is there (%v)", err)
	}
	again, err := Open(t.Context(), d.path, testForm())
	if err != nil {
		t.Fatalf("Open again: %v", err)
	}
	if got := names(t, again); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("written %q", got)
	}
	if err := again.Close(); err != nil {
		t.Error(err)
	}
}

func TestTxIsOverWhenItsFunctionReturns(t *testing.T) {
	d := newDB(t)
	var kept *Tx
	if err := d.Update(t.Context(), func(tx *Tx) error { kept = tx; return nil }); err != nil {
		t.Fatal(err)
	}
	_, exec := kept.Exec("x", "SELECT 1")
	_, row := kept.Row("x", "SELECT 1", nil, new(int))
	for _, err := range []error{exec, row, kept.Rows("x", "SELECT 1", nil, nil)} {
		if mft.CodeOf(err) != mft.CodeInternal {
			t.Errorf("used afterwards: %v", err)
		}
	}
}

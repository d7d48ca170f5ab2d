package journal

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"mft.dev/mft"
)

// The crash test runs this binary again as a child that writes as fast as it
// can and says on its standard output what was acknowledged; the parent kills
// it at a random line, opens the journal and compares.

const crashEnv = "MFT_JOURNAL_CRASH"

// childMain returns what to run instead of the tests, if this process is a
// child.
func childMain() func() {
	switch path := os.Getenv(crashEnv); {
	case path != "":
		return func() { crashChild(path) }
	case os.Getenv(prepareEnv) != "":
		return func() { prepareChild(os.Getenv(prepareEnv)) }
	}
	return nil
}

// crashWriters is how many goroutines of the child write at once.
const crashWriters = 8

// crashChild writes until it is killed. A line "token sequence" stands for an
// update that was acknowledged: the event whose detail is that line, the
// sequence, a transfer, and two batches of which the first is committed.
func crashChild(path string) {
	j, err := Open(context.Background(), path)
	if err != nil {
		fmt.Println("open:", err)
		os.Exit(1)
	}
	var mu sync.Mutex // keeps lines whole
	var all sync.WaitGroup
	for w := range crashWriters {
		all.Go(func() {
			for n := 0; ; n++ {
				line, err := crashUpdate(j, fmt.Sprintf("%d-%d-%d", os.Getpid(), w, n), n%7 == 6)
				mu.Lock()
				switch {
				case err == nil:
					fmt.Println(line)
				case err != errUndo:
					fmt.Println("update:", err)
					os.Exit(1)
				}
				mu.Unlock()
			}
		})
	}
	all.Wait()
}

func crashUpdate(j *Journal, token string, undo bool) (line string, err error) {
	var of mft.TransferID
	copy(of[:], token)
	err = j.Update(context.Background(), func(tx *Tx) error {
		sequence, err := tx.NextSequence("erp", time.Time{})
		if err != nil {
			return err
		}
		line = fmt.Sprintf("%s %d", token, sequence)
		if err := tx.Append(mft.Event{Transfer: of, Detail: line}); err != nil {
			return err
		}
		if err := tx.Create(mft.Transfer{ID: of, State: mft.StateRunning}); err != nil {
			return err
		}
		first, err := tx.Prepare(of, entries(0, 2))
		if err != nil {
			return err
		}
		if _, err := tx.Prepare(of, entries(2, 1)); err != nil {
			return err
		}
		if undo {
			return errUndo
		}
		return tx.Commit(of, first)
	})
	return line, err
}

func TestCrash(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.db")
	acknowledged := make(map[string]bool)
	for range 4 {
		killChild(t, path, 1+rand.IntN(100), acknowledged)
		if t.Failed() {
			return
		}
		checkCrashed(t, path, acknowledged)
	}
}

// killChild starts a child, kills it after so many lines, and adds every whole
// line that it wrote to acknowledged.
func killChild(t *testing.T, path string, after int, acknowledged map[string]bool) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), crashEnv+"="+path)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	read := bufio.NewReader(out)
	for n := 0; ; n++ {
		line, err := read.ReadString('\n')
		if err != nil {
			break // what is left of a line was not acknowledged
		}
		if n == after {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
		acknowledged[strings.TrimSpace(line)] = true
	}
	if err := cmd.Wait(); err == nil {
		t.Error("the child ended by itself")
	}
	if _, err := os.Stat(path + "-wal"); err != nil {
		t.Errorf("the child was killed but left no -wal: %v", err)
	}
}

func checkCrashed(t *testing.T, path string, acknowledged map[string]bool) {
	t.Helper()
	j, err := Open(t.Context(), path)
	if err != nil {
		t.Fatalf("Open after a crash: %v", err)
	}
	defer j.Close()
	var sound string
	if _, err := j.db.Row(t.Context(), "check", "PRAGMA integrity_check", nil, &sound); err != nil || sound != "ok" {
		t.Errorf("integrity_check: %s, %v", sound, err)
	}
	events, err := j.Events(t.Context(), 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	transfers, err := j.Transfers(t.Context(), Filter{})
	if err != nil || len(transfers) != len(events) {
		t.Errorf("%d transfers, %d events, %v", len(transfers), len(events), err)
	}
	found := 0
	for i, e := range events {
		if e.Seq != int64(i+1) {
			t.Fatalf("event %d has Seq %d", i+1, e.Seq)
		}
		var token string
		var sequence int
		if _, err := fmt.Sscan(e.Detail, &token, &sequence); err != nil || sequence != i+1 {
			t.Fatalf("event %d says %q: sequences have a gap", i+1, e.Detail)
		}
		if acknowledged[e.Detail] {
			found++
		}
	}
	if found != len(acknowledged) {
		t.Errorf("%d of %d acknowledged updates are there", found, len(acknowledged))
	}
	// All of an update is there, or nothing.
	for _, e := range events[max(0, len(events)-50):] {
		prepared, err := j.Prepared(t.Context(), e.Transfer)
		if err != nil || len(prepared) != 1 || len(prepared[0].Entries) != 1 {
			t.Errorf("%s: prepared %+v, %v", e.Detail, prepared, err)
		}
		if got := committed(t, j, e.Transfer); len(got) != 2 {
			t.Errorf("%s: committed %v", e.Detail, got)
		}
	}
}

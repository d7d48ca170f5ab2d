package receiver

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mft.dev/mft"
	"mft.dev/mft/transfer"
	"mft.dev/mft/transfer/scan"
	"mft.dev/mft/transfer/staging"
)

// failOnce fails the nth run of a step, before it is done or after.
func failOnce(step string, nth int, done bool, cause error) staging.Stepper {
	n := 0
	return func(s string, do func() error) error {
		if s == step {
			n++
			if n == nth {
				if done {
					if err := do(); err != nil {
						return err
					}
				}
				return cause
			}
		}
		return do()
	}
}

// A consumer takes away what has appeared, as it does in production the moment
// it appears, and counts the appearances.
type consumer struct {
	t        *testing.T
	from, to string
	seen     map[string]int
}

func (c *consumer) take() {
	c.t.Helper()
	err := filepath.WalkDir(c.from, func(p string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if scan.IsStaging(d.Name()) {
				return filepath.SkipDir
			}
			return nil
		}
		rel, _ := filepath.Rel(c.from, p)
		c.seen[rel]++
		to := filepath.Join(c.to, rel)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		return os.Rename(p, to)
	})
	if err != nil {
		c.t.Fatal(err)
	}
}

// TestEachCommitStepFails fails every step of the commit twice: once so that
// it was not done, once so that it was done and only its success was lost.
// Whatever fails, the next attempt delivers everything exactly once.
func TestEachCommitStepFails(t *testing.T) {
	steps := []struct {
		name string
		runs int // of the step in one attempt
	}{
		{"flush", 1}, {"prepare", 1}, {"rename", 4}, {"directories", 1}, {"names", 1}, {"clear", 1}, {"commit", 1},
	}
	for _, step := range steps {
		for nth := 1; nth <= step.runs; nth++ {
			for _, done := range []bool{false, true} {
				for _, takes := range []bool{false, true} {
					name := fmt.Sprintf("%s %d/done=%v/taken=%v", step.name, nth, done, takes)
					t.Run(name, func(t *testing.T) { failCommitStep(t, step.name, nth, done, takes) })
				}
			}
		}
	}
}

func failCommitStep(t *testing.T, step string, nth int, done, takes bool) {
	f := newFixture(t)
	f.write("one", randomBytes(1, 1000), 0o644)
	f.write("two", nil, 0o600)
	f.write("big", randomBytes(2, transfer.SmallMax+1), 0o640)
	f.write("sub/three", randomBytes(3, 70), 0o644)
	c := &consumer{t: t, from: f.dst, to: filepath.Join(t.TempDir(), "taken"), seen: map[string]int{}}
	if err := os.Mkdir(c.to, 0o755); err != nil {
		t.Fatal(err)
	}

	cause := mft.Fail(mft.CodeIO, step, "", errors.New("injected"))
	f.step = failOnce(step, nth, done, cause)
	res := f.attempt(t.Context())
	if res.receiveErr == nil {
		t.Fatalf("the step did not fail: %+v", res)
	}
	if code := mft.CodeOf(res.sendErr); code != mft.CodeIO {
		t.Errorf("the sender heard %v, want %v", res.sendErr, mft.CodeIO)
	}
	if takes {
		c.take()
	}

	// The agent asks the journal first, as after any restart.
	f.step = nil
	if receipt, _, ok, err := f.journal.Receipt(t.Context(), f.id); err != nil {
		t.Fatal(err)
	} else if ok {
		if receipt.Received.Items != 5 || receipt.Code != mft.CodeOK {
			t.Errorf("journaled receipt = %+v, want 5 items, OK", receipt)
		}
	} else if res := f.deliver(); res.sent.Received.Items != 5 || res.sent.Code != mft.CodeOK {
		t.Errorf("second attempt: receipt %+v, want 5 items, OK", res.sent)
	}
	for name := range arrived(t, f.dst) {
		if strings.Contains(name, ".mft-") {
			t.Errorf("staging was left: %s", name)
		}
	}
	c.take()
	for _, name := range []string{"one", "two", "big", "sub/three"} {
		if c.seen[name] != 1 {
			t.Errorf("%s appeared %d times, want once", name, c.seen[name])
		}
		got, err := os.ReadFile(filepath.Join(c.to, name))
		if err != nil {
			t.Error(err)
			continue
		}
		want, _ := os.ReadFile(filepath.Join(f.src, name))
		if string(got) != string(want) {
			t.Errorf("%s has the wrong content", name)
		}
	}
	if len(c.seen) != 4 {
		t.Errorf("appeared: %v, want four names", c.seen)
	}
}

// TestRefusedRename: an item whose final name cannot be taken fails alone, and
// its temporary file is not mistaken for a delivery after a crash.
func TestRefusedRename(t *testing.T) {
	f := newFixture(t)
	f.write("one", []byte("1"), 0o644)
	f.write("two", []byte("2"), 0o644)
	f.step = failOnce("rename", 1, false, mft.Fail(mft.CodePermission, "rename", "", errors.New("injected")))
	res := f.deliver()
	if res.sent.Code != mft.CodePartial || res.sent.Failed != 1 || res.sent.Received.Items != 1 {
		t.Errorf("receipt = %+v, want PARTIAL, 1 received, 1 failed", res.sent)
	}
	if got := arrived(t, f.dst); len(got) != 1 {
		t.Errorf("the destination has %v, want one file", got)
	}
	if batches, err := f.journal.Prepared(t.Context(), f.id); err != nil || len(batches) != 0 {
		t.Errorf("the journal still has PREPARED batches: %v, %v", batches, err)
	}
}

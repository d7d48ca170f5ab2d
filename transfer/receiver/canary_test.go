package receiver

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"mft.dev/mft"
	"mft.dev/mft/journal/ledger"
	"mft.dev/mft/transfer/staging/recovery"
)

// newCanary returns a fixture whose transfer sends a canary, as admission has it.
func newCanary(t *testing.T) *fixture {
	t.Helper()
	f := newFixture(t)
	f.write("canary", []byte("tweet"), 0o600)
	f.sources = []string{filepath.Join(f.src, "canary")}
	f.landing.Name = mft.CanaryName(f.id)
	f.offer.Single, f.offer.Destination, f.offer.Overwrite = true, f.dst+"/"+f.landing.Name, mft.OverwriteNever
	return f
}

// TestCanaryIsRemoved: whichever step fails, a canary is gone when the receipt is there, or
// what is left of it when the transfer has been discarded.
func TestCanaryIsRemoved(t *testing.T) {
	for _, step := range []string{"", "flush", "prepare", "rename", "directories", "names", "withdraw", "clear", "commit"} {
		for _, done := range []bool{false, true} {
			for _, again := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/done=%v/again=%v", step, done, again), func(t *testing.T) {
					f := newCanary(t)
					if step != "" {
						f.step = failOnce(step, 1, done, mft.Fail(mft.CodeIO, step, "", errors.New("injected")))
						if res := f.attempt(t.Context()); res.receiveErr == nil {
							t.Fatalf("the step did not fail: %+v", res)
						}
						f.step = nil
					}
					_, _, over, err := f.journal.Receipt(t.Context(), f.id)
					switch {
					case err != nil:
						t.Fatal(err)
					case over:
					case again:
						if res := f.deliver(); res.sent.Code != mft.CodeOK || res.sent.Received.Items != 1 {
							t.Errorf("receipt = %+v, want one item, OK", res.sent)
						}
					default:
						for range 2 { // idempotent
							if err := recovery.Discard(t.Context(), ledger.Of(f.journal, f.id), f.id); err != nil {
								t.Fatal(err)
							}
						}
					}
					if got := arrived(t, f.dst); len(got) != 0 {
						t.Errorf("the destination has %v, want nothing", got)
					}
				})
			}
		}
	}
}

// TestCanaryTouchesNothingElse: what has the name of a canary already stays as it is.
func TestCanaryTouchesNothingElse(t *testing.T) {
	for name, make := range map[string]func(path, victim string) error{
		"file": func(path, _ string) error { return os.WriteFile(path, []byte("mine"), 0o644) },
		"directory": func(path, _ string) error {
			return errors.Join(os.Mkdir(path, 0o755), os.WriteFile(path+"/canary", []byte("mine"), 0o644))
		},
		"link": func(path, victim string) error { return os.Symlink(victim, path) },
	} {
		t.Run(name, func(t *testing.T) {
			f := newCanary(t)
			victim := filepath.Join(t.TempDir(), "victim")
			at := filepath.Join(f.dst, f.landing.Name)
			if err := errors.Join(os.WriteFile(victim, []byte("mine"), 0o644), make(at, victim)); err != nil {
				t.Fatal(err)
			}
			before := arrived(t, f.dst)
			if res := f.attempt(t.Context()); res.receiveErr == nil && res.sent.Code == mft.CodeOK {
				t.Errorf("the canary was delivered: %+v", res.sent)
			}
			if err := recovery.Discard(t.Context(), ledger.Of(f.journal, f.id), f.id); err != nil {
				t.Fatal(err)
			}
			if after := arrived(t, f.dst); fmt.Sprint(before) != fmt.Sprint(after) {
				t.Errorf("the destination has %v, want %v", after, before)
			}
			if b, err := os.ReadFile(victim); err != nil || string(b) != "mine" {
				t.Errorf("the file that a link leads to has %q, %v", b, err)
			}
		})
	}
}

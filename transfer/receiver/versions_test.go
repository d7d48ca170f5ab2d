package receiver

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"mft.dev/mft"
	"mft.dev/mft/journal/ledger"
	"mft.dev/mft/transfer/staging/recovery"
)

// newest delivers contents one after the other, and returns what is there then.
func (f *fixture) newest(t *testing.T, contents ...string) string {
	t.Helper()
	for _, content := range contents {
		f.write("a", []byte(content), 0o644)
		f.again()
		if res := f.deliver(); res.sent.Code != mft.CodeOK {
			t.Fatalf("receipt = %+v, want OK", res.sent)
		}
	}
	return f.there(t)
}

// there returns the contents at the destination, sorted, but for what is staged.
func (f *fixture) there(t *testing.T) string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(arrived(t, f.dst))) {
		if strings.Contains(name, ".mft-") {
			continue
		}
		b, err := os.ReadFile(filepath.Join(f.dst, name))
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, string(b))
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

func newBounded(t *testing.T) *fixture {
	f := newFixture(t)
	f.offer.Overwrite, f.offer.Compare = mft.OverwriteVersion, mft.CompareNone
	f.landing.Versions = mft.VersionBound{Keep: 2}
	return f
}

// TestBoundedVersions: as many stay as the grant keeps; those of before it are not touched.
func TestBoundedVersions(t *testing.T) {
	f := newBounded(t)
	f.landing.Versions = mft.VersionBound{}
	if got, want := f.newest(t, "0", "1"), "0 1"; got != want {
		t.Fatalf("without a bound the destination has %s, want %s", got, want)
	}
	f.landing.Versions.Keep = 2
	if got, want := f.newest(t, "2", "3", "4", "5", "6"), "0 4 5 6"; got != want {
		t.Errorf("the destination has %s, want %s", got, want)
	}
	if b, err := os.ReadFile(filepath.Join(f.dst, "a.~1~")); err != nil || string(b) != "0" {
		t.Errorf("a.~1~ has %q, %v, want that of before the bound", b, err)
	}
}

// TestBoundedVersionsInCrashes: whichever step fails, before or after it was done, every old
// version that counts is there, once, nothing goes before the new one is committed, and the next
// version makes good what was left.
func TestBoundedVersionsInCrashes(t *testing.T) {
	for _, step := range []string{"flush", "prepare", "rename", "names", "clear", "commit", "bound"} {
		for _, done := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/done=%v", step, done), func(t *testing.T) {
				f := newBounded(t)
				f.newest(t, "0", "1", "2")
				f.write("a", []byte("3"), 0o644)
				f.again()
				f.step = failOnce(step, 1, done, mft.Fail(mft.CodeIO, step, "", errors.New("injected")))
				res := f.attempt(t.Context())
				if (res.receiveErr == nil) != (step == "bound") {
					t.Fatalf("the attempt ended with %v", res.receiveErr)
				}
				committed := step == "bound" && done
				if got := f.there(t); !committed && !strings.HasPrefix(got, "0 1 2") || committed && got != "1 2 3" {
					t.Errorf("after the failure the destination has %s", got)
				}
				f.step = nil
				if err := recovery.Recover(t.Context(), ledger.Of(f.journal, f.id), f.id); err != nil {
					t.Fatal(err)
				}
				if _, _, over, err := f.journal.Receipt(t.Context(), f.id); err != nil {
					t.Fatal(err)
				} else if !over {
					f.deliver()
				}
				if got := f.there(t); !strings.HasSuffix(got, "1 2 3") {
					t.Errorf("when it is delivered the destination has %s, want 1 2 3 and perhaps 0", got)
				}
				if got, want := f.newest(t, "4"), "2 3 4"; got != want {
					t.Errorf("after the next one the destination has %s, want %s", got, want)
				}
			})
		}
	}
}

// TestMirrorLeavesBoundedVersions: what was set aside is no file that the source has lost.
func TestMirrorLeavesBoundedVersions(t *testing.T) {
	f := newBounded(t)
	f.offer.Mirror = mft.DefaultMirror()
	if got, want := f.newest(t, "0", "1", "2", "3"), "1 2 3"; got != want {
		t.Errorf("the destination has %s, want %s", got, want)
	}
}

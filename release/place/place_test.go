package place

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"mft.dev/mft"
	"mft.dev/mft/release"
)

const oldText, newText = "the old binary", "the new one, which is longer"

func binary(text string) release.Binary {
	sum := sha256.Sum256([]byte(text))
	return release.Binary{OS: runtime.GOOS, Arch: runtime.GOARCH, File: "mft", Size: int64(len(text)), SHA256: hex.EncodeToString(sum[:])}
}

func installed(t *testing.T) *Place {
	t.Helper()
	path := filepath.Join(t.TempDir(), "mft")
	if err := os.WriteFile(path, []byte(oldText), 0o755); err != nil {
		t.Fatal(err)
	}
	return Of(path)
}

func content(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return string(b)
}

// TestEveryStep crashes after every step of an update. A whole binary stands
// there each time, and the update can be run again to its end.
func TestEveryStep(t *testing.T) {
	update := func(p *Place) error {
		if Verify(p.Next, binary(newText)) != nil {
			if err := p.Discard(); err != nil {
				return err
			}
			if err := p.Stage(t.Context(), strings.NewReader(newText), binary(newText)); err != nil {
				return err
			}
		}
		return p.Swap(binary(newText))
	}
	crash := errors.New("crash")
	steps := map[string]string{ // what stands there afterwards
		"written": oldText, "staged": oldText, "kept": oldText, "renamed": newText, "swapped": newText,
	}
	seen := 0
	for at, want := range steps {
		t.Run(at, func(t *testing.T) {
			p := installed(t)
			p.step = func(name string) error {
				if name == at {
					seen++
					return crash
				}
				return nil
			}
			if err := update(p); !errors.Is(err, crash) {
				t.Fatalf("the update ended with %v, want the crash", err)
			}
			if got := content(t, p.Binary); got != want {
				t.Fatalf("after the crash the binary is %q, want %q", got, want)
			}
			if info, err := os.Stat(p.Binary); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o755 {
				t.Errorf("after the crash the binary is %v, %v, want it to be run by all", info, err)
			}
			p.step = func(string) error { return nil }
			if err := update(p); err != nil {
				t.Fatalf("again: %v", err)
			}
			if got := content(t, p.Binary); got != newText {
				t.Errorf("in the end the binary is %q, want %q", got, newText)
			}
			if got := content(t, p.Previous); got != oldText {
				t.Errorf("in the end the previous one is %q, want %q", got, oldText)
			}
			if err := p.Discard(); err != nil {
				t.Error(err)
			}
			if left, err := filepath.Glob(filepath.Join(filepath.Dir(p.Binary), ".mft*")); err != nil || len(left) > 0 {
				t.Errorf("there is left %q, %v", left, err)
			}
		})
	}
	if seen != len(steps) {
		t.Errorf("%d steps were reached, want %d", seen, len(steps))
	}
}

func TestStageRefuses(t *testing.T) {
	for _, tt := range []struct{ name, content string }{
		{"longer", newText + "!"}, {"shorter", newText[1:]}, {"something else", strings.Repeat("x", len(newText))}, {"nothing", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := installed(t)
			if err := p.Stage(t.Context(), strings.NewReader(tt.content), binary(newText)); mft.CodeOf(err) != mft.CodeBadRelease {
				t.Errorf("Stage = %v, want code %s", err, mft.CodeBadRelease)
			}
			if got := content(t, p.Next); got != "" {
				t.Errorf("there is %q, want nothing", got)
			}
		})
	}
}

// TestSwapVerifiesAgain: what was staged may have been changed since.
func TestSwapVerifiesAgain(t *testing.T) {
	p := installed(t)
	if err := p.Stage(t.Context(), strings.NewReader(newText), binary(newText)); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(p.Next, []byte(strings.ToUpper(newText)), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := p.Swap(binary(newText)); mft.CodeOf(err) != mft.CodeBadRelease {
		t.Errorf("Swap = %v, want code %s", err, mft.CodeBadRelease)
	}
	if got := content(t, p.Binary); got != oldText {
		t.Errorf("the binary is %q, want the old one", got)
	}
}

func TestLock(t *testing.T) {
	p := installed(t)
	unlock, err := p.Lock()
	if err != nil {
		t.Fatal(err)
	}
	// The update that has the lock replaces the binary.
	if err := p.Stage(t.Context(), strings.NewReader(newText), binary(newText)); err != nil {
		t.Fatal(err)
	}
	if err := p.Swap(binary(newText)); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Lock(); mft.CodeOf(err) != mft.CodeBadState {
		t.Errorf("a second Lock = %v, want code %s", err, mft.CodeBadState)
	}
	unlock()
	if unlock, err := p.Lock(); err != nil {
		t.Errorf("Lock after unlock = %v", err)
	} else {
		unlock()
	}
}

func TestNames(t *testing.T) {
	for path, want := range map[string][2]string{
		"/usr/bin/mft":    {"/usr/bin/mft.next", "/usr/bin/mft.previous"},
		"/opt/mft.exe":    {"/opt/mft.next.exe", "/opt/mft.previous.exe"},
		"/opt/mft-1.2/m2": {"/opt/mft-1.2/m2.next", "/opt/mft-1.2/m2.previous"},
	} {
		if p := Of(path); p.Next != want[0] || p.Previous != want[1] {
			t.Errorf("Of(%q) = %q and %q, want %q", path, p.Next, p.Previous, want)
		}
	}
}

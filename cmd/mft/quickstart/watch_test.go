package quickstart

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mft.dev/mft"
)

func TestCheck(t *testing.T) {
	const name = "dir/a.csv"
	tests := []struct {
		name      string
		from, to  string // contents; "" is no file
		changedAt time.Duration
		verified  int
		code      mft.Code
		says      string
	}{
		{name: "the same", from: "content", to: "content", verified: 1, code: mft.CodeOK, says: "1 file verified, 0.50 s after detection"},
		{name: "another content", from: "content", to: "contenT", code: mft.CodeCorrupt},
		{name: "a part of it", from: "content", to: "cont", code: mft.CodeCorrupt},
		{name: "changed again", from: "newer", to: "older", changedAt: time.Minute, code: mft.CodeOK, says: "changed again meanwhile"},
		{name: "source taken away", to: "content", code: mft.CodeOK, says: "changed again meanwhile"},
		{name: "taken away from the inbox", from: "content", code: mft.CodeOK, says: "taken away from the inbox"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var out strings.Builder
			dir := t.TempDir()
			s := &show{Options: Options{Out: &out}, alpha: newHost("alpha", dir), beta: newHost("beta", dir)}
			put(t, filepath.Join(s.outbox(), name), tt.from, at(0).Add(tt.changedAt))
			put(t, filepath.Join(s.inbox(), name), tt.to, at(0))
			verified, err := s.check(&track{began: at(0), files: []string{name}}, event(1, 0.5, mft.EventDelivered, ""))
			if mft.CodeOf(err) != tt.code {
				t.Errorf("check: %v, want code %s", err, tt.code)
			}
			if verified != tt.verified {
				t.Errorf("check compared %d files, want %d", verified, tt.verified)
			}
			if !strings.Contains(out.String(), tt.says) {
				t.Errorf("check says %q, want it to hold %q", out.String(), tt.says)
			}
		})
	}
}

// put writes content, unless there is none, to path with the time at.
func put(t *testing.T, path, content string, at time.Time) {
	t.Helper()
	mkdir(t, filepath.Dir(path))
	if content == "" {
		return
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path, at, at); err != nil {
		t.Fatal(err)
	}
}

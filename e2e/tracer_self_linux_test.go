package e2e

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// The tests of what cannot be seen from outside stand on the tracer, so it is
// tested on a program whose calls are known.
func TestTracer(t *testing.T) {
	needs(t, canTrace, "the tracer does not know this machine")
	const script = `
printf a > "$0/one" || echo failed
mv "$0/one" "$0/two" || echo failed
printf b > "$0/../elsewhere"
[ ! -e "$0/two" ] || rm "$0/two" || echo failed
echo end`
	tests := []struct {
		name   string
		strike strike
		match  string
		at     int
		arm    bool
		status int
		log    string // the calls
		out    string
		left   string
	}{
		{name: "only counts", log: "openat write renameat2 unlinkat", out: "end"},
		{name: "kills before the call", strike: strikeKill, match: "rename", at: 1, status: 128 + int(syscall.SIGKILL), log: "openat write renameat2", left: "one"},
		{name: "skips the call", strike: strikeFail, match: "rename", at: 1, log: "openat write renameat2", out: "failed end", left: "one"},
		{name: "makes the call and lies", strike: strikeLie, match: "rename", at: 1, log: "openat write renameat2 unlinkat", out: "failed end"},
		{name: "strikes at the number that was asked for", strike: strikeFail, at: 2, log: "openat write renameat2 unlinkat", out: "failed end"},
		{name: "counts once armed", arm: true, out: "end"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			watched := filepath.Join(dir, "watched")
			if err := os.Mkdir(watched, 0o755); err != nil {
				t.Fatal(err)
			}
			spec := tracing{
				Under: []string{watched}, Log: filepath.Join(dir, "log"),
				Strike: tt.strike, Match: tt.match, At: tt.at, Errno: int(syscall.EIO),
			}
			if tt.arm {
				spec.Arm = filepath.Join(dir, "never")
			}
			cmd, err := traced(spec, "/bin/sh", "-c", script, watched)
			if err != nil {
				t.Fatal(err)
			}
			var out bytes.Buffer
			cmd.Stdout = &out
			if err := cmd.Run(); cmd.ProcessState.ExitCode() != tt.status {
				t.Errorf("status: got %d, want %d (%v)", cmd.ProcessState.ExitCode(), tt.status, err)
			}
			lines, err := readTrace(spec.Log)
			if err != nil {
				t.Fatal(err)
			}
			var kinds []string
			for _, l := range lines {
				kinds = append(kinds, strings.Fields(l)[1])
			}
			if got := strings.Join(kinds, " "); got != tt.log {
				t.Errorf("calls: got %q, want %q\n%s", got, tt.log, strings.Join(lines, "\n"))
			}
			if got := strings.Join(strings.Fields(out.String()), " "); got != tt.out {
				t.Errorf("output: got %q, want %q", got, tt.out)
			}
			left, _ := filepath.Glob(watched + "/*")
			for i := range left {
				left[i] = filepath.Base(left[i])
			}
			if got := strings.Join(left, " "); got != tt.left {
				t.Errorf("files left: got %q, want %q", got, tt.left)
			}
		})
	}
}

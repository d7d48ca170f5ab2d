package sandbox

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"

	"mft.dev/mft/internal/restrict"
)

// asked makes the test, started by itself, run a probe and print what it found.
const asked = "-mft-probe-of-a-test"

func TestMain(m *testing.M) {
	s := Shell{In: os.Stdin, Out: os.Stdout, Print: func(v any, _ func()) error { return json.NewEncoder(os.Stdout).Encode(v) }}
	switch {
	case len(os.Args) > 1 && os.Args[1] == "sandbox-probe":
		c := Command(s)
		c.SetArgs(os.Args[2:])
		if c.Execute() != nil {
			os.Exit(1)
		}
		os.Exit(0)
	case len(os.Args) == 2 && os.Args[1] == "version":
		os.Exit(0)
	case len(os.Args) == 3 && os.Args[1] == asked:
		found, err := Probe(context.Background(), restrict.Role(os.Args[2]), false)
		if err != nil {
			_, _ = os.Stderr.WriteString(err.Error())
			os.Exit(1)
		}
		_ = s.Print(found, nil)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// hold says what was allowed.
func hold(t *testing.T, found Outcome) {
	t.Helper()
	for _, a := range found.Acts {
		if !a.Denied {
			t.Errorf("%s may %s: %s", found.Role, a.Act, a.How)
		}
	}
	if found.Denied != len(found.Acts) {
		t.Errorf("%d of %d were denied", found.Denied, len(found.Acts))
	}
	if few := found.Role == restrict.RoleSupervisor || found.Role == restrict.RoleAgent; !few && len(found.Acts) < 60 {
		t.Errorf("only %d acts were tried", len(found.Acts))
	}
}

// TestProbe: every role is denied everything, whoever starts it.
func TestProbe(t *testing.T) {
	for _, role := range restrict.Roles() {
		t.Run(string(role), func(t *testing.T) {
			found, err := Probe(t.Context(), role, false)
			if err != nil {
				t.Fatal(err)
			}
			hold(t, found)
			if missing := found.Walls.Missing(); len(missing) > 0 {
				t.Errorf("the kernel of this test does not have %v", missing)
			}
		})
	}
}

// TestProbeUnprivileged: also when who starts it is not root, and the process has
// the same user as the keys.
func TestProbeUnprivileged(t *testing.T) {
	if os.Geteuid() != 0 {
		return // TestProbe was that
	}
	dir := t.TempDir()
	for d := dir; strings.HasPrefix(d, os.TempDir()+"/"); d = d[:strings.LastIndexByte(d, '/')] {
		if err := os.Chmod(d, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	for _, role := range restrict.Roles() {
		if role == restrict.RoleSupervisor {
			continue
		}
		t.Run(string(role), func(t *testing.T) {
			cmd := exec.Command(self(), asked, string(role))
			cmd.Env = []string{"TMPDIR=" + dir}
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
			var complaint strings.Builder
			cmd.Stderr = &complaint
			out, err := cmd.Output()
			var found Outcome
			if err != nil || json.Unmarshal(out, &found) != nil {
				t.Fatalf("%v: %s", err, complaint.String())
			}
			hold(t, found)
		})
	}
}

// TestControl: without walls the same acts go through, as far as the user may, so
// that the probe would notice a wall that is not there.
func TestControl(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root may do all of it")
	}
	found, err := Probe(t.Context(), restrict.RoleWorker, true)
	if err != nil {
		t.Fatal(err)
	}
	// What this kernel may have been built without.
	lacking := []string{"load a module", "load a module from a file", "remove a module", "load another kernel", "make a socket of SCTP"}
	for _, a := range found.Acts {
		if a.Denied && !slices.Contains(lacking, a.Act) {
			t.Errorf("without walls root cannot %s: %s", a.Act, a.How)
		}
	}
}

package restrict

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"mft.dev/mft"
)

// mark makes the test the process that is confined: the policy follows it.
const mark = "-mft-confined-by-a-test"

func TestMain(m *testing.M) {
	if len(os.Args) == 4 && os.Args[1] == mark {
		os.Exit(confined(os.Args[2], os.Args[3]))
	}
	os.Exit(m.Run())
}

// confined applies a policy, does the deed, and prints what came of it.
func confined(policy, deed string) int {
	var p Policy
	if err := json.Unmarshal([]byte(policy), &p); err != nil {
		fmt.Println(err)
		return 2
	}
	name, path, _ := strings.Cut(deed, " ")
	if f := before[name]; f != nil {
		if err := f(); err != nil {
			fmt.Println(err)
			return 2
		}
	}
	threads := several() // that were there before
	defer threads()
	r, err := Apply(p)
	out, _ := json.Marshal(r)
	fmt.Printf("%s\n", out)
	if err != nil {
		fmt.Println(err)
		return 1
	}
	if err := deeds[name](path); err != nil {
		fmt.Println(err)
		return 3
	}
	return 0
}

// before is what is done before the policy is applied, by the name of the deed.
var before = map[string]func() error{}

// several keeps a few threads busy until what it returns is called.
func several() (end func()) {
	var wg sync.WaitGroup
	var up sync.WaitGroup
	stop := make(chan struct{})
	for range 4 {
		wg.Add(1)
		up.Add(1)
		go func() {
			defer wg.Done()
			r, w, err := os.Pipe()
			if err != nil {
				return
			}
			defer r.Close()
			up.Done()
			<-stop
			_ = w.Close()
		}()
	}
	up.Wait()
	return func() { close(stop); wg.Wait() }
}

var deeds = map[string]func(path string) error{
	"nothing": func(string) error { return nil },
	"read": func(path string) error {
		_, err := os.ReadFile(path)
		return err
	},
	"replace": func(path string) error {
		root, err := os.OpenRoot(filepath.Dir(path))
		if err != nil {
			return err
		}
		defer root.Close()
		if err := root.MkdirAll("dir", 0o700); err != nil {
			return err
		}
		if err := root.WriteFile("dir/temp", []byte("new"), 0o600); err != nil {
			return err
		}
		return root.Rename("dir/temp", filepath.Base(path))
	},
	"start": func(path string) error { return exec.Command(path).Run() },
	"again": func(string) error { return exec.Command("/proc/self/exe", "-test.run=^$").Run() },
	"work": func(string) error { // under the filter of another
		if r := foresee(Worker(nil, nil)); r.Up(WallCalls) {
			return fmt.Errorf("the wall of calls is foreseen, which cannot be raised: %v", r)
		}
		return nil
	},
	"wait": func(string) error { // until the test has looked at it
		_, err := os.Stdin.Read(make([]byte, 1))
		return err
	},
}

// run has a process of its own confined.
func run(t *testing.T, p Policy, deed string) (r Report, status int, said string) {
	t.Helper()
	policy, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, mark, string(policy), deed)
	cmd.SysProcAttr = Starting(p)
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		t.Fatalf("%v: %s", err, out)
	}
	first, rest, _ := strings.Cut(string(out), "\n")
	if err := json.Unmarshal([]byte(first), &r); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return r, cmd.ProcessState.ExitCode(), rest
}

// shared makes a directory that others may pass, with a file in it.
func shared(t *testing.T) (dir, file string) {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for d := dir; strings.HasPrefix(d, os.TempDir()+"/"); d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	file = filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("content"), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir, file
}

// TestRoles: each role comes up with every wall that this kernel has, and does
// what it is for and nothing else.
func TestRoles(t *testing.T) {
	inside, in := shared(t)
	outside, out := shared(t)
	const ok, refusedDeed = 0, 3
	for _, tt := range []struct {
		name   string
		policy Policy
		deed   string
		want   int
	}{
		{"worker reads", Worker([]string{inside}, nil), "read " + in, ok},
		{"worker reads outside", Worker([]string{inside}, nil), "read " + out, refusedDeed},
		{"worker replaces", Worker(nil, []string{inside}), "replace " + in, ok},
		{"worker replaces what it may read", Worker([]string{inside}, nil), "replace " + in, refusedDeed},
		{"worker replaces outside", Worker(nil, []string{inside}), "replace " + out, refusedDeed},
		{"worker starts a program", Worker([]string{"/"}, nil), "start /bin/true", refusedDeed},
		{"network reads", Network(nil), "read " + in, refusedDeed},
		{"network reads what it has to", Network([]string{in, filepath.Join(inside, "missing")}), "read " + in, ok},
		{"network starts a program", Network(nil), "start /bin/true", refusedDeed},
		{"keys read elsewhere", Keys(inside), "read " + out, refusedDeed},
		{"keys replace", Keys(inside), "replace " + in, ok},
		{"exit starts a program", Exit(false), "start /bin/true", ok},
		{"exit reads", Exit(false, outside), "read " + in, ok},
		{"exit replaces", Exit(false, outside), "replace " + in, ok},
		{"exit reads what is hidden", Exit(false, outside), "read " + out, refusedDeed},
		{"exit replaces what is hidden", Exit(true, outside), "replace " + out, refusedDeed},
		{"supervisor starts a program", Supervisor(), "start /bin/true", ok},
		{"launcher starts a program", Launcher(), "start /bin/true", ok},
		{"agent starts a program", Agent(), "start /bin/true", refusedDeed},
		{"agent starts itself", Agent(), "again", ok},
		{"agent reads", Agent(), "read " + in, ok},
		{"agent replaces", Agent(), "replace " + in, ok},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.policy.Require = Walls()
			r, status, said := run(t, tt.policy, tt.deed)
			if status != tt.want {
				t.Errorf("status %d, want %d: %s\n%v", status, tt.want, said, r)
			}
			if status == refusedDeed && !strings.Contains(said, "permission denied") && !strings.Contains(said, "not permitted") {
				t.Errorf("it failed for another reason: %s", said)
			}
		})
	}
}

// TestUser: a process of another user than it should be does not go on.
func TestUser(t *testing.T) {
	p := Worker(nil, nil)
	p.User = &User{UID: uint32(os.Getuid()) + 1, GID: uint32(os.Getgid())}
	policy, _ := json.Marshal(p)
	cmd := exec.Command(os.Args[0], mark, string(policy), "nothing") // without Starting
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), string(mft.CodeConfinement)) && !strings.Contains(string(out), "runs as user") {
		t.Errorf("%v: %s", err, out)
	}
}

// TestRequired: a wall that is required and missing is an error; one that the
// policy does not have is not.
func TestRequired(t *testing.T) {
	r := Report{Role: RoleWorker}
	r.up(WallUser, "as it should")
	r.missing(WallScope, "this kernel is old")
	r.open(WallPorts, "every port")
	for _, tt := range []struct {
		name    string
		require []Wall
		fails   bool
	}{
		{"none", nil, false},
		{"one that is up", []Wall{WallUser}, false},
		{"one that there is none of", []Wall{WallPorts}, false},
		{"one that is missing", []Wall{WallUser, WallScope}, true},
	} {
		if err := lacking(Policy{Require: tt.require}, r); (err != nil) != tt.fails {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	if s := r.String(); !strings.Contains(s, "missing: scope (this kernel is old)") || strings.Contains(s, "ports") {
		t.Errorf("the report reads %q", s)
	}
}

// TestThreads: the walls stand around every thread, also those that were there
// before.
func TestThreads(t *testing.T) {
	p := Worker(nil, nil)
	policy, _ := json.Marshal(p)
	cmd := exec.Command(os.Args[0], mark, string(policy), "wait")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	timer := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	if _, err := out.Read(make([]byte, 4096)); err != nil { // its report
		t.Fatal(err)
	}
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", cmd.Process.Pid))
	if err != nil || len(tasks) < 3 {
		t.Fatalf("%d threads, %v", len(tasks), err)
	}
	for _, task := range tasks {
		b, err := os.ReadFile(task)
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(string(b), "\n")
		for _, want := range []string{"NoNewPrivs:\t1", "Seccomp:\t2", "CapEff:\t0000000000000000", "CapPrm:\t0000000000000000", "CapAmb:\t0000000000000000"} {
			if !slices.Contains(lines, want) {
				t.Errorf("%s lacks %q", task, want)
			}
		}
		if os.Getuid() == 0 && !slices.Contains(lines, "CapBnd:\t0000000000000000") {
			t.Errorf("%s has a bounding set", task)
		}
	}
	_ = in.Close()
	_ = cmd.Wait()
}

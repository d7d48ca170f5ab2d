package process

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"mft.dev/mft"
)

// attempt does what a command may or may not.
func attempt(act string) string {
	what, on, _ := strings.Cut(act, "=")
	var err error
	switch what {
	case "read":
		_, err = os.ReadFile(on)
	case "write":
		err = os.WriteFile(on, []byte("new"), 0o600)
	case "dial":
		var c net.Conn
		if c, err = net.Dial("tcp", on); err == nil {
			err = c.Close()
		}
	case "signal":
		err = unix.Kill(os.Getppid(), 0)
	}
	if err != nil {
		return "refused"
	}
	return "done"
}

// TestWalls: a command within walls has the same surroundings, and cannot reach
// what it should not.
func TestWalls(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	keys, delivered := filepath.Join(dir, "keys"), filepath.Join(dir, "in")
	for _, d := range []string{keys, delivered} {
		if err := os.Mkdir(d, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(d, "file"), []byte("content"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	acts := []string{
		"read=" + keys + "/file", "write=" + keys + "/new", "read=" + delivered + "/file", "write=" + delivered + "/new",
		"dial=" + l.Addr().String(), "signal",
	}
	const refused, done = "refused", "done"
	for _, tt := range []struct {
		name  string
		walls *Walls
		want  []string
	}{
		{"none", nil, []string{done, done, done, done, done, done}},
		{"walls", &Walls{Hidden: []string{keys}}, []string{refused, refused, done, done, refused, refused}},
		{"with a network", &Walls{Hidden: []string{keys}, Network: true}, []string{refused, refused, done, done, done, refused}},
	} {
		o := order("try", acts...)
		o.Walls = tt.walls
		got, err := Run(t.Context(), o)
		if err != nil || !got.OK() {
			t.Fatalf("%s: Run = %v, %v: %s", tt.name, got, err, got.Output)
		}
		var want strings.Builder
		for i, act := range acts {
			fmt.Fprintln(&want, act, tt.want[i])
		}
		if string(got.Output) != want.String() {
			t.Errorf("%s: it said\n%swant\n%s", tt.name, got.Output, want.String())
		}
	}
	if missing := Foresee(Walls{Hidden: []string{keys}}).Missing(); len(missing) > 0 {
		t.Errorf("missing are %v", missing)
	}
}

// TestWallsSurroundings: what is promised of a command holds within walls too.
func TestWallsSurroundings(t *testing.T) {
	o := order("report", "a b", "\xff\xfe", "")
	o.Env, o.Dir, o.Umask, o.Walls = []string{"MFT_PATH=/in/\n x"}, "/", 0o027, &Walls{}
	r := reported(t, o)
	if len(r.Args) != 3 || r.Args[1] != "\ufffd\ufffd" || r.Dir != "/" || !r.Leader || !r.InputIsEmpty || len(r.Descriptors) != 0 {
		t.Errorf("surroundings %+v", r)
	}
	o = order("report")
	o.Args[0], o.Walls = filepath.Join(t.TempDir(), "missing"), &Walls{}
	if _, err := Run(t.Context(), o); mft.CodeOf(err) != mft.CodeExit || !strings.Contains(err.Error(), "missing") {
		t.Errorf("a program that is not there: %v", err)
	}
}

// TestBecomeNothing: what is told is closed.
func TestBecomeNothing(t *testing.T) {
	for _, args := range [][]string{nil, {"mft"}, {"mft", becoming, "more"}, {"mft", "run"}} {
		if _, asked := Become(args); asked {
			t.Errorf("%q is taken for an order", args)
		}
	}
	for name, text := range map[string]string{"nothing": "", "no order": "[]", "another role": `{"Policy":{"Role":"worker"},"Program":"/bin/true"}`} {
		if err := new(told).read(strings.NewReader(text)); err == nil {
			t.Errorf("%s is taken for an order", name)
		}
	}
}

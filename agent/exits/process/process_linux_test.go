package process

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"mft.dev/mft"
)

// TestMain makes the test the command that it runs: the word after this mark
// says which.
const mark = "-mft-command-of-a-test"

func TestMain(m *testing.M) {
	if status, asked := Become(os.Args); asked {
		os.Exit(status)
	}
	if len(os.Args) > 2 && os.Args[1] == mark {
		os.Exit(command(os.Args[2], os.Args[3:]))
	}
	os.Exit(m.Run())
}

// A report is what a command sees of its surroundings.
type report struct {
	Args, Env    []string
	UID, GID     int
	Groups       []int
	Dir          string
	Umask        int
	Leader       bool
	Descriptors  []int
	InputIsEmpty bool
}

func command(word string, args []string) int {
	switch word {
	case "report":
		r := report{Args: args, Env: os.Environ(), UID: os.Getuid(), GID: os.Getgid(), Umask: syscall.Umask(0)}
		r.Groups, _ = os.Getgroups()
		r.Dir, _ = os.Getwd()
		pgid, _ := syscall.Getpgid(0)
		r.Leader = pgid == os.Getpid()
		in, err := io.ReadAll(os.Stdin)
		r.InputIsEmpty = err == nil && len(in) == 0
		for fd := 3; fd < 256; fd++ {
			// The test's own runtime has opened nothing else that is not marked.
			flags, _, errno := syscall.Syscall(syscall.SYS_FCNTL, uintptr(fd), syscall.F_GETFD, 0)
			if errno == 0 && flags&syscall.FD_CLOEXEC == 0 {
				r.Descriptors = append(r.Descriptors, fd)
			}
		}
		_ = json.NewEncoder(os.Stdout).Encode(r)
	case "try": // one act each, and what came of it
		for _, act := range args {
			fmt.Println(act, attempt(act))
		}
	case "fail":
		fmt.Fprintln(os.Stdout, "to output")
		fmt.Fprintln(os.Stderr, "to errors")
		return 3
	case "flood":
		fmt.Print("first line\n")
		junk := bytes.Repeat([]byte("0123456789abcde\n"), 1<<12)
		for range 64 {
			_, _ = os.Stdout.Write(junk)
		}
		fmt.Print("last line")
	case "signal":
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	case "family": // a child that stays, and this, which stays or not
		signal.Ignore(syscall.SIGTERM)
		child := exec.Command(os.Args[0], mark, "stay", args[0])
		if err := child.Start(); err != nil {
			return 1
		}
		if args[1] == "leave" {
			// Not before the child is there.
			return meet(args[0])
		}
		return stay(args[0])
	case "agent": // one that runs a command, until it is killed
		_, _ = Run(context.Background(), order("stay", args[0]))
	case "stay":
		signal.Ignore(syscall.SIGTERM)
		return stay(args[0])
	}
	return 0
}

// stay connects to the test, and holds the connection until the process ends.
func stay(addr string) int {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return 1
	}
	_, _ = io.ReadAll(conn)
	select {}
}

// meet connects to the test and returns when that lets it go.
func meet(addr string) int {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return 1
	}
	var b [1]byte
	_, _ = conn.Read(b[:])
	return 0
}

func order(word string, args ...string) Order {
	return Order{
		Args: append([]string{os.Args[0], mark, word}, args...), Umask: 0o077, Timeout: time.Hour,
	}
}

func reported(t *testing.T, o Order) report {
	t.Helper()
	got, err := Run(t.Context(), o)
	if err != nil || !got.OK() {
		t.Fatalf("Run = %v, %v: %s", got, err, got.Output)
	}
	var r report
	if err := json.Unmarshal(got.Output, &r); err != nil {
		t.Fatalf("%v: %q", err, got.Output)
	}
	return r
}

func TestSurroundings(t *testing.T) {
	// A descriptor that is not marked, as an agent may have inherited one.
	f, err := os.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	dup, err := syscall.Dup(int(f.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(dup)
	t.Setenv("MFT_SECRET", "of the agent")
	own := syscall.Umask(0o022)
	defer syscall.Umask(own)
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	o := order("report", "a b", "", "--x", "new\nline", `quote"'`, "$(id)")
	o.Env, o.Dir, o.Umask = []string{"MFT_PATH=/in/\n x"}, dir, 0o027
	r := reported(t, o)
	if want := o.Args[3:]; !slices.Equal(r.Args, want) {
		t.Errorf("arguments %q, want %q", r.Args, want)
	}
	for _, v := range r.Env {
		if name, _, _ := strings.Cut(v, "="); !slices.Contains([]string{"PATH", "LANG", "HOME", "USER", "LOGNAME", "MFT_PATH"}, name) {
			t.Errorf("the command has the variable %q", v)
		}
	}
	if !slices.Contains(r.Env, o.Env[0]) {
		t.Errorf("the command does not have %q", o.Env[0])
	}
	umask := 0o027
	if OwnUmask() != nil {
		umask = 0o022 // the agent's
	}
	if r.Dir != dir || r.Umask != umask || !r.Leader || !r.InputIsEmpty || len(r.Descriptors) != 0 {
		t.Errorf("surroundings %+v", r)
	}
	o.MustUmask = true
	if _, err := Run(t.Context(), o); (err == nil) != (OwnUmask() == nil) {
		t.Errorf("with a umask that must be: %v, OwnUmask says %v", err, OwnUmask())
	}
	if now := syscall.Umask(0o022); now != 0o022 {
		t.Errorf("the agent's umask became %o", now)
	}
}

func TestHostileNames(t *testing.T) {
	for _, name := range []string{"\xff\xfe", "-rf", "a\nb", "'\"`$(x);|&", "\x1b[31m", strings.Repeat("x", 16<<10)} {
		got, err := Run(t.Context(), order("report", name))
		if err != nil || !got.OK() {
			t.Errorf("%.20q: %v, %v", name, got, err)
		}
	}
	_, err := Run(t.Context(), order("report", "a\x00b"))
	if mft.CodeOf(err) != mft.CodeExit {
		t.Errorf("NUL: %v", err)
	}
}

func TestOutcome(t *testing.T) {
	got, err := Run(t.Context(), order("fail"))
	if err != nil || got.OK() || got.Status != 3 || string(got.Output) != "to output\nto errors\n" {
		t.Errorf("Run = %+v, %v", got, err)
	}
	got, err = Run(t.Context(), order("signal"))
	if err != nil || got.OK() || got.Signal != "SIGKILL" {
		t.Errorf("Run = %+v, %v", got, err)
	}
	o := order("fail")
	o.Args[0] = filepath.Join(t.TempDir(), "missing")
	if _, err := Run(t.Context(), o); mft.CodeOf(err) != mft.CodeExit {
		t.Errorf("a program that is not there: %v", err)
	}
	o.Args[0] = "no-such-program-of-mft"
	if _, err := Run(t.Context(), o); mft.CodeOf(err) != mft.CodeExit {
		t.Errorf("a bare name that is not there: %v", err)
	}
}

func TestFlood(t *testing.T) {
	got, err := Run(t.Context(), order("flood"))
	if err != nil || !got.OK() {
		t.Fatalf("Run = %v, %v", got, err)
	}
	out := string(got.Output)
	if len(out) > MaxOutput+100 || !strings.HasPrefix(out, "first line\n") || !strings.HasSuffix(out, "last line") ||
		!strings.Contains(out, "bytes were cut") {
		t.Errorf("%d bytes: %.20q … %q", len(out), out, out[len(out)-20:])
	}
}

// family listens for a command and its child, and returns when both are there.
func family(t *testing.T, how string) (o Order, both func() [2]net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return order("family", l.Addr().String(), how), func() (conns [2]net.Conn) {
		for i := range conns {
			if conns[i], err = l.Accept(); err != nil {
				t.Error(err)
				return conns
			}
			t.Cleanup(func() { conns[i].Close() })
		}
		return conns
	}
}

// gone waits until whoever held the other end has ended.
func gone(conns [2]net.Conn) {
	for _, c := range conns {
		_, _ = io.Copy(io.Discard, c)
	}
}

func TestTimeLimitEndsTheFamily(t *testing.T) {
	o, both := family(t, "stay")
	var conns [2]net.Conn
	expired := make(chan time.Time)
	go func() {
		conns = both()
		close(expired) // the limit, and then the grace
	}()
	got, err := run(t.Context(), o, func(time.Duration) <-chan time.Time { return expired }, Grace)
	if err != nil || !got.TimedOut || got.OK() || got.Signal != "SIGKILL" {
		t.Errorf("run = %v, %v", got, err)
	}
	gone(conns)
}

func TestStopEndsTheFamily(t *testing.T) {
	o, both := family(t, "stay")
	ctx, cancel := context.WithCancel(t.Context())
	var conns [2]net.Conn
	go func() {
		conns = both()
		cancel()
	}()
	over := make(chan time.Time)
	close(over)
	got, err := run(ctx, o, func(d time.Duration) <-chan time.Time {
		if d == Grace {
			return over
		}
		return nil
	}, Grace)
	if err != nil || !got.Stopped || got.OK() {
		t.Errorf("run = %v, %v", got, err)
	}
	gone(conns)
}

func TestNothingIsLeftBehind(t *testing.T) {
	o, both := family(t, "leave")
	met := make(chan [2]net.Conn, 1)
	go func() {
		conns := both()
		met <- conns
		for _, c := range conns {
			_, _ = c.Write([]byte{1})
		}
	}()
	got, err := Run(t.Context(), o)
	if err != nil || !got.OK() {
		t.Errorf("Run = %v, %v", got, err)
	}
	gone(<-met)
}

// TestAgentDies kills an agent that runs a command.
func TestAgentDies(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	agent := exec.Command(os.Args[0], mark, "agent", l.Addr().String())
	if err := agent.Start(); err != nil {
		t.Fatal(err)
	}
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := agent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = agent.Wait()
	_, _ = io.Copy(io.Discard, conn) // until the command is gone
}

func TestAnotherUser(t *testing.T) {
	const id = "65534"
	if os.Geteuid() != 0 {
		_, err := Find("0", "0")
		if mft.CodeOf(err) != mft.CodeExit {
			t.Errorf("Find for one who is not root: %v", err)
		}
		t.Skip("only root can run a command as another user")
	}
	who, err := Find(id, id)
	if err != nil {
		t.Fatal(err)
	}
	// The test's own file lies where only its owner can reach it.
	dir := t.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o711); err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(dir, "command")
	content, err := os.ReadFile(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(program, content, 0o755); err != nil {
		t.Fatal(err)
	}
	o := order("report")
	o.Args[0], o.As = program, who
	r := reported(t, o)
	if r.UID != 65534 || r.GID != 65534 || slices.Contains(r.Groups, 0) {
		t.Errorf("it runs as %+v", r)
	}
}

func TestFind(t *testing.T) {
	for _, c := range []struct{ user, group string }{
		{"no-such-user-of-mft", ""}, {"", "no-such-group-of-mft"}, {"4294967295", "1"}, {"4294967294", ""}, {"-1", "1"},
	} {
		if who, err := Find(c.user, c.group); mft.CodeOf(err) != mft.CodeExit {
			t.Errorf("Find(%q, %q) = %+v, %v", c.user, c.group, who, err)
		}
	}
	if who, err := Find("", ""); err != nil || who.other {
		t.Errorf("Find for the agent's own user = %+v, %v", who, err)
	}
}

func TestTail(t *testing.T) {
	for _, n := range []int{0, 1, half, half + 1, MaxOutput, MaxOutput + 1, MaxOutput + half + 7, 10 * MaxOutput} {
		all := make([]byte, n)
		for i := range all {
			all[i] = byte(i * 7)
		}
		for _, piece := range []int{n, 1000, 3} {
			var w tail
			for p := range slices.Chunk(all, max(piece, 1)) {
				_, _ = w.Write(p)
			}
			got := w.bytes()
			if n <= MaxOutput {
				if !bytes.Equal(got, all) {
					t.Errorf("%d bytes in pieces of %d come back as %d others", n, piece, len(got))
				}
				continue
			}
			cut := fmt.Sprintf("\n[… %d bytes were cut …]\n", n-MaxOutput)
			if want := string(all[:half]) + cut + string(all[n-half:]); string(got) != want {
				t.Errorf("%d bytes in pieces of %d are cut wrongly", n, piece)
			}
		}
	}
}

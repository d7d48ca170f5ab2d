package e2e

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// swapVar names the environment variable that makes the test binary one that exchanges
// directories for symbolic links; its lines are what to exchange, see runAsSwapper.
const swapVar = "MFT_E2E_SWAP"

// runAsSwapper is another life of the test binary: a user of the host that means ill. For
// as long as it lives it exchanges the two paths on each line, again and again. In the
// first a star stands for what transfers put aside at that moment.
func runAsSwapper() {
	lines := os.Getenv(swapVar)
	for lines != "" {
		for line := range strings.Lines(lines) {
			a, b, _ := strings.Cut(strings.TrimSpace(line), " ")
			if dir, ok := strings.CutSuffix(a, "/*"); ok {
				entries, _ := os.ReadDir(dir)
				for _, e := range entries {
					if strings.HasPrefix(e.Name(), stagingPrefix) {
						exchange(filepath.Join(dir, e.Name()), b)
						exchange(filepath.Join(dir, e.Name()), b)
					}
				}
				continue
			}
			exchange(a, b)
		}
	}
}

// exchange gives each of two paths what the other had. It fails when one is not there.
func exchange(a, b string) {
	_ = unix.Renameat2(unix.AT_FDCWD, a, unix.AT_FDCWD, b, unix.RENAME_EXCHANGE)
}

// nobody owns the directories that are exchanged.
const nobody = 65534

// TestSwaps has a channel with markers run as root while another user exchanges
// directories for symbolic links to places outside: below the source, below the
// destination, of what is put aside, and of markers in the tree. Nothing out there is
// read, written, removed or made; and when the user has gone the channel works.
func TestSwaps(t *testing.T) {
	needs(t, os.Getuid() == 0, "running a process as another user needs root")
	for _, tt := range []struct {
		name      string
		markers   string // their directory, below the source
		overwrite string
		preserve  string
	}{
		{"replace", "../marks", "true", "xattrs,acls,links"},
		{"version", "../marks", "version", ""},
		{"markers in the tree", "s", "true", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			alpha, beta := newPair(t)
			source, dest := filepath.Join(alpha.Out(), "s"), filepath.Join(beta.In(), "s")
			marks := filepath.Join(alpha.Out(), tt.markers)
			outside := filepath.Join(t.TempDir(), "outside")
			for _, d := range []string{source, dest, marks, outside} {
				mkdir(t, d)
			}
			rec := canaries(t, outside)
			for _, d := range []string{alpha.Out(), beta.In()} {
				theirs(t, d)
				link(t, outside, filepath.Join(d, "l"))
				theirs(t, filepath.Join(d, "s"))
			}
			link(t, outside, filepath.Join(beta.In(), "l2"))
			alpha.configure(fmt.Sprintf("%s    overwrite: %s\n    preserve: [%s]\n", markedChannel(alpha, beta, marks), tt.overwrite, tt.preserve))
			alpha.stop()
			alpha.start()
			stop := swaps(t, filepath.Join(alpha.Out(), "s")+" "+filepath.Join(alpha.Out(), "l"), filepath.Join(beta.In(), "s")+" "+filepath.Join(beta.In(), "l"),
				beta.In()+"/* "+filepath.Join(beta.In(), "l2"))
			length := 3 * time.Second
			if *long {
				length = 2 * time.Minute
			}
			rounds := 0
			for end := time.Now().Add(length); time.Now().Before(end); rounds++ {
				for i := range 20 { // where the directory is at this moment
					name := fmt.Sprintf("f%02d", i)
					writeBelow(source, name, fmt.Sprintf("%d of %d", i, rounds))
				}
				writeBelow(marks, "ready", "")
				<-time.After(20 * time.Millisecond)
				if rounds%5 == 0 { // what is not there is removed: it must not be so out there
					_, _ = alpha.run("copy", "--mirror", "--max-delete", "100%", alpha.Out()+"/", "--dest-agent", "beta", "--dest-path", beta.In()+"/", "--preserve", tt.preserve, "--detach")
				}
			}
			stop()
			rec.check(t)
			t.Logf("%d rounds", rounds)
			settles(t, alpha, beta, source, dest)
			rec.check(t)
			leaked(t, beta.In())
		})
	}
}

func mkdir(t *testing.T, path string) {
	t.Helper()
	if err := os.MkdirAll(path, 0o755); err != nil {
		t.Fatal(err)
	}
}

func theirs(t *testing.T, path string) {
	t.Helper()
	if err := os.Lchown(path, nobody, nobody); err != nil {
		t.Fatal(err)
	}
}

func link(t *testing.T, to, at string) {
	t.Helper()
	if err := os.Symlink(to, at); err != nil {
		t.Fatal(err)
	}
	theirs(t, at)
}

// attribute is one that all files have.
const attribute = "user.swaps"

// writeBelow writes a file in a directory, unless it is a symbolic link at the moment.
func writeBelow(dir, name, text string) {
	fd, err := unix.Open(dir, unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return
	}
	d := os.NewFile(uintptr(fd), dir)
	defer d.Close()
	f, err := unix.Openat(fd, name, unix.O_CREAT|unix.O_WRONLY|unix.O_TRUNC|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o644)
	if err != nil {
		return
	}
	_, _ = unix.Write(f, []byte(text))
	_ = unix.Fsetxattr(f, attribute, []byte(text), 0)
	_ = unix.Close(f)
	if name[0] == 'f' {
		_ = unix.Linkat(fd, name, fd, "g"+name[1:], 0) // unless it has been made
	}
}

// swaps starts the other user. stop ends it and puts everything back.
func swaps(t *testing.T, lines ...string) (stop func()) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	// Everything above has to be there for the other user.
	for d := filepath.Dir(strings.Fields(lines[0])[0]); len(d) > len(os.TempDir()); d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for d := filepath.Dir(strings.Fields(lines[1])[0]); len(d) > len(os.TempDir()); d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	program := filepath.Join(t.TempDir(), "swapper")
	b, err := os.ReadFile(self)
	if err == nil {
		err = os.WriteFile(program, b, 0o755)
	}
	if err == nil {
		err = os.Chmod(filepath.Dir(program), 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/proc/self/fd/3")
	f, err := os.Open(program)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	cmd.ExtraFiles = []*os.File{f}
	cmd.Env = append(os.Environ(), swapVar+"="+strings.Join(lines, "\n")+"\n")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	dead := false
	stop = func() {
		if dead {
			return
		}
		dead = true
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		for _, line := range lines[:2] {
			a, b, _ := strings.Cut(line, " ")
			if fi, err := os.Lstat(a); err == nil && fi.Mode()&fs.ModeSymlink != 0 {
				exchange(a, b)
			}
		}
	}
	t.Cleanup(stop)
	return stop
}

// A canary is what a file outside was.
type canary struct {
	sum          string
	inode, ctime int64
}

type aviary struct {
	dir   string
	files map[string]canary
	dirAt int64
}

// canaries makes files outside that have the names of everything that the agents handle.
func canaries(t *testing.T, dir string) *aviary {
	t.Helper()
	names := []string{"ready", "sending", "done", "failed", "other"}
	for i := range 20 {
		names = append(names, fmt.Sprintf("f%02d", i), fmt.Sprintf("g%02d", i))
	}
	for _, n := range names {
		if err := os.WriteFile(filepath.Join(dir, n), []byte("secret of "+n), 0o600); err != nil {
			t.Fatal(err)
		}
		_ = unix.Setxattr(filepath.Join(dir, n), attribute, []byte("secret of "+n), 0) // where that can be had
	}
	a := &aviary{dir: dir}
	a.files, a.dirAt = a.look(t)
	return a
}

func (a *aviary) look(t *testing.T) (map[string]canary, int64) {
	t.Helper()
	out := map[string]canary{}
	entries, err := os.ReadDir(a.dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		path := filepath.Join(a.dir, e.Name())
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(b)
		out[e.Name()] = canary{hex.EncodeToString(sum[:8]), int64(st.Ino), st.Ctim.Nano()}
	}
	var st unix.Stat_t
	if err := unix.Stat(a.dir, &st); err != nil {
		t.Fatal(err)
	}
	return out, st.Ctim.Nano()
}

// check complains of everything out there that is not as it was.
func (a *aviary) check(t *testing.T) {
	t.Helper()
	now, at := a.look(t)
	if at != a.dirAt {
		t.Error("something was made, renamed or removed outside")
	}
	for name, was := range a.files {
		if is, there := now[name]; !there {
			t.Errorf("%s was removed outside", name)
		} else if is != was {
			t.Errorf("%s was changed outside: %+v, was %+v", name, is, was)
		}
	}
	for name := range now {
		if _, was := a.files[name]; !was {
			t.Errorf("%s was made outside", name)
		}
	}
}

// leaked complains of what was read outside and got to the receiver.
func leaked(t *testing.T, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		if strings.HasPrefix(string(b), "secret") {
			t.Errorf("%s was read outside", path)
		}
		value := make([]byte, 100)
		if n, err := unix.Lgetxattr(path, attribute, value); err == nil && strings.HasPrefix(string(value[:n]), "secret") {
			t.Errorf("an attribute of %s was read outside", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// settles has one more file sent.
func settles(t *testing.T, alpha, beta *host, source, dest string) {
	t.Helper()
	for _, h := range []*host{alpha, beta} {
		select {
		case <-h.Running().Ended():
			t.Fatalf("%s has ended", h.Name)
		default:
		}
	}
	if err := os.WriteFile(filepath.Join(source, "last"), []byte("last"), 0o644); err != nil {
		t.Fatal(err)
	}
	alpha.mft("channel", "run", "stream")
	for end := time.Now().Add(*patience); ; <-time.After(20 * time.Millisecond) {
		if b, err := os.ReadFile(filepath.Join(dest, "last")); err == nil && string(b) == "last" {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("the channel does not work any more:\n%s", alpha.mft("channel", "show", "stream"))
		}
	}
}

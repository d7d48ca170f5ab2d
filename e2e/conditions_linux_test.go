package e2e

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"mft.dev/mft"
	"mft.dev/mft/agent/localapi"
)

// waitsFor reports whether a transfer waits for the cause code to go away.
func waitsFor(code mft.Code) func(localapi.Transfer) bool {
	return func(tr localapi.Transfer) bool {
		return tr.State.Terminal() || (tr.State == mft.StateWaiting && tr.Reason != nil && tr.Reason.Code == code)
	}
}

// TestDiskFull fills the file system of the destination. The transfer waits,
// says so with the remedy, and goes on by itself once there is space again.
func TestDiskFull(t *testing.T) {
	for _, tt := range []struct {
		name    string
		sizes   []int64 // of the files to send
		ballast int64   // of what fills the 32 MiB of the file system
	}{
		{name: "before it starts", sizes: []int64{20 << 20}, ballast: 20 << 20},
		{name: "many small files", sizes: many(600, 40_000), ballast: 16 << 20},
	} {
		t.Run(tt.name, func(t *testing.T) {
			alpha, beta := newPair(t)
			if err := unix.Mount("tmpfs", beta.In(), "tmpfs", 0, "size=32m"); err != nil {
				needs(t, !errors.Is(err, unix.EPERM), "mounting a file system needs root")
				t.Fatal(err)
			}
			t.Cleanup(func() {
				beta.Kill()
				if err := unix.Unmount(beta.In(), unix.MNT_DETACH); err != nil {
					t.Error(err)
				}
			})
			ballast := filepath.Join(beta.In(), "ballast")
			if err := os.WriteFile(ballast, make([]byte, tt.ballast), 0o600); err != nil {
				t.Fatal(err)
			}
			l, rnd := newLedger(), chance(t)
			if err := os.Mkdir(filepath.Join(alpha.Out(), "tree"), 0o755); err != nil {
				t.Fatal(err)
			}
			for i, size := range tt.sizes {
				rel := filepath.Join("tree", numbered(i))
				l.add(rel, fill(t, filepath.Join(alpha.Out(), rel), size, rnd))
			}
			id, err := order(alpha, beta, filepath.Join(alpha.Out(), "tree"))
			if err != nil {
				t.Fatal(err)
			}
			if tr := alpha.awaitTransfer(id, waitsFor(mft.CodeNoSpace)); tr.State != mft.StateWaiting {
				t.Fatalf("with the disk full the transfer is %s: %+v", tr.State, tr.Reason)
			}
			shown := alpha.mft("transfer", "show", id.String())
			for _, want := range []string{string(mft.CodeNoSpace), mft.CodeNoSpace.Remedy(), beta.In()} {
				if !strings.Contains(shown, want) {
					t.Errorf("mft transfer show does not say %q:\n%s", want, shown)
				}
			}
			if err := os.Remove(ballast); err != nil {
				t.Fatal(err)
			}
			if tr := alpha.awaitEnd(id); tr.State != mft.StateDone {
				t.Errorf("with space again the transfer is %s: %+v", tr.State, tr.Reason)
			}
			same(t, beta.In(), l)
		})
	}
}

// TestRefusals meets conditions that waiting does not mend: the transfer ends,
// the command says why in its exit status and words, and nothing is left.
func TestRefusals(t *testing.T) {
	for _, tt := range []struct {
		name string
		dest func(t *testing.T, beta *host) string
		user bool // the receiver runs without privileges
		code mft.Code
	}{
		{name: "outside the allowed directory", code: mft.CodeNotAllowed, dest: func(_ *testing.T, beta *host) string {
			return filepath.Join(beta.Dir, "elsewhere") + "/"
		}},
		{name: "a sibling with the same prefix", code: mft.CodeNotAllowed, dest: func(_ *testing.T, beta *host) string {
			return beta.In() + "side/"
		}},
		{name: "dots", code: mft.CodeBadPath, dest: func(_ *testing.T, beta *host) string {
			return beta.In() + "/../elsewhere/"
		}},
		{name: "a name of 256 bytes", code: mft.CodeNameTooLong, dest: func(_ *testing.T, beta *host) string {
			return filepath.Join(beta.In(), strings.Repeat("n", 256))
		}},
		{name: "no permission", code: mft.CodePermission, user: true, dest: func(t *testing.T, beta *host) string {
			closed := filepath.Join(beta.In(), "closed")
			if err := os.Mkdir(closed, 0o555); err != nil {
				t.Fatal(err)
			}
			return closed + "/"
		}},
		{name: "a symbolic link on the way", code: mft.CodeSymlink, dest: func(t *testing.T, beta *host) string {
			if err := os.Symlink(beta.Dir, filepath.Join(beta.In(), "link")); err != nil {
				t.Fatal(err)
			}
			return filepath.Join(beta.In(), "link") + "/"
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			alpha, beta := newHost(t, "alpha"), newHost(t, "beta")
			if tt.user {
				needs(t, os.Getuid() == 0, "running an agent as another user needs root")
				beta.becomeNobody()
			}
			alpha.start()
			beta.start()
			pair(alpha, beta, beta.Addr)
			dest := tt.dest(t, beta)
			before := listing(t, beta.Dir, beta.Data())

			l := newLedger()
			p := &producer{t: t, dir: alpha.Out(), ledger: l, rnd: chance(t)}
			p.make("file", 100_000)
			out, err := alpha.run("copy", filepath.Join(p.dir, "file"), "--dest-agent", "beta", "--dest-path", dest)
			if err == nil {
				t.Fatalf("mft copy succeeded:\n%s", out)
			}
			if !strings.Contains(err.Error(), string(tt.code)) || !strings.Contains(err.Error(), tt.code.Remedy()) {
				t.Errorf("mft copy does not say %s and what to do: %v", tt.code, err)
			}
			all, err := alpha.transfers()
			if err != nil {
				t.Fatal(err)
			}
			for _, tr := range all {
				if !tr.State.Terminal() || tr.Reason == nil || tr.Reason.Code != tt.code {
					t.Errorf("transfer: got %s %+v, want an end with %s", tr.State, tr.Reason, tt.code)
				}
			}
			if after := listing(t, beta.Dir, beta.Data()); after != before {
				t.Errorf("something was left on the receiver: before\n%s\nafter\n%s", before, after)
			}
		})
	}
}

// TestNames sends files with every kind of name that a file system allows.
// They arrive byte for byte.
func TestNames(t *testing.T) {
	t.Parallel()
	alpha, beta := newPair(t)
	l, rnd := newLedger(), chance(t)
	top := filepath.Join(alpha.Out(), "tree")
	for _, name := range []string{
		"two words", "line\nbreak", "tab\tand\x01control", "not utf-8 \xff\xfe", "-rf", "*", "~", "$(reboot)", "`id`", "a'b\"c", "\\",
		strings.Repeat("n", 255), strings.Repeat("\xc3\xa4", 127), ".hidden", "...", " ", "%2e%2e", "C:evil", "nul", "con.txt", "\u202egpj.exe",
		"deep/" + strings.Repeat("d/", 60) + "end", "Case", "case", "..a/b..", "\u00e9", "e\u0301",
	} {
		rel := filepath.Join("tree", name)
		if err := os.MkdirAll(filepath.Dir(filepath.Join(alpha.Out(), rel)), 0o755); err != nil {
			t.Fatal(err)
		}
		l.add(rel, fill(t, filepath.Join(alpha.Out(), rel), int64(rnd.IntN(1000)), rnd))
	}
	alpha.mft("copy", top, "--dest-agent", "beta", "--dest-path", beta.In()+"/")
	same(t, beta.In(), l)
}

// becomeNobody makes the host belong to a user without privileges.
func (h *host) becomeNobody() {
	const nobody = 65534
	for _, d := range []string{h.Dir, h.In(), h.Out()} {
		if err := os.Chown(d, nobody, nobody); err != nil {
			h.t.Fatal(err)
		}
	}
	// Directories of tests are closed to others.
	for d := filepath.Dir(h.Dir); d != os.TempDir() && d != "/"; d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o755); err != nil {
			h.t.Fatal(err)
		}
	}
	h.User = &syscall.Credential{Uid: nobody, Gid: nobody}
}

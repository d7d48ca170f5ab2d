package dir

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/exchange"
	"mft.dev/mft/exchange/dir/layout"
)

// code complains unless err has the code.
func code(t *testing.T, err error, want mft.Code, what string) {
	t.Helper()
	if got := mft.CodeOf(err); got != want {
		t.Errorf("%s: %v, want code %q", what, err, want)
	}
}

// ok ends the test when err is not nil.
func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestSetup(t *testing.T) {
	path := t.TempDir()
	guarded, err := Setup(t.Context(), path, "alpha")
	if err != nil || guarded != (runtime.GOOS != "windows") {
		t.Errorf("Setup: guarded %v, %v", guarded, err)
	}
	if runtime.GOOS != "windows" {
		for name, want := range map[string]os.FileMode{
			"": 0o711, queueDir: 0o733 | os.ModeSticky, objectsDir: 0o711, keysDir: 0o755, temporaryDir: 0o700,
		} {
			fi, err := os.Stat(filepath.Join(path, "alpha", name))
			if err != nil || fi.Mode()&(os.ModePerm|os.ModeSticky) != want {
				t.Errorf("mode of %q is %v, %v; want %v", name, fi.Mode(), err, want)
			}
		}
		// An operator may narrow it to a group.
		narrow := filepath.Join(path, "alpha", queueDir)
		ok(t, os.Chmod(narrow, 0o730|os.ModeSticky))
		guarded, err = Setup(t.Context(), path, "alpha")
		fi, e := os.Stat(narrow)
		if err != nil || e != nil || !guarded || fi.Mode().Perm() != 0o730 {
			t.Errorf("Setup of a narrowed folder: guarded %v, %v; mode %v", guarded, err, fi.Mode())
		}
		ok(t, os.Chmod(narrow, 0o777))
		if guarded, err = Setup(t.Context(), path, "alpha"); err != nil || guarded {
			t.Errorf("Setup of a queue that all may read: guarded %v, %v", guarded, err)
		}
		ok(t, os.Chmod(path, 0o777))
		if guarded, err = Setup(t.Context(), path, "beta"); err != nil || guarded {
			t.Errorf("Setup in a folder where all may rename: guarded %v, %v", guarded, err)
		}
		ok(t, os.Chmod(path, 0o777|os.ModeSticky))
		if guarded, err = Setup(t.Context(), path, "beta"); err != nil || !guarded {
			t.Errorf("Setup in a folder where all may only add: guarded %v, %v", guarded, err)
		}
	}
	_, err = Setup(t.Context(), filepath.Join(path, "none"), "alpha")
	code(t, err, mft.CodeUnreachable, "Setup in a folder that is not there")
	_, err = Setup(t.Context(), path, "../alpha")
	code(t, err, mft.CodeBadName, "Setup of no name")
	_, err = New(Config{Path: "relative", Agent: "alpha"})
	code(t, err, mft.CodeConfig, "New with a relative path")
	_, err = New(Config{Path: path, Agent: "Alpha"})
	code(t, err, mft.CodeBadName, "New with no name")
}

// TestNotMounted has the folder gone, and an empty directory in its place.
func TestNotMounted(t *testing.T) {
	path := filepath.Join(shared(t), "mount")
	x := open(t, path, "alpha", newShift()).exchange()
	calls := map[string]func(ctx context.Context) error{
		"Put":     func(ctx context.Context) error { return x.Queue.Put(ctx, "beta", []byte("x")) },
		"Take":    func(ctx context.Context) error { _, err := x.Queue.Take(ctx, 1, time.Minute); return err },
		"Stage":   func(ctx context.Context) error { return x.Container.Stage(ctx, "object", 0, []byte("x")) },
		"Publish": func(ctx context.Context) error { return x.Container.Publish(ctx, "object", 1) },
		"Grant":   func(ctx context.Context) error { _, err := x.Container.Grant(ctx, "object", 1); return err },
		"Remove":  func(ctx context.Context) error { return x.Container.Remove(ctx, "object") },
		"List": func(ctx context.Context) error {
			return x.Container.List(ctx, func(exchange.Object) bool { return true })
		},
		"Read": func(ctx context.Context) error {
			return x.Reader.Read(ctx, reference{"beta", "object", layout.Grant{Until: 1 << 47, Token: layout.Token()}}.String(), 0, make([]byte, 1))
		},
		"publish":    func(ctx context.Context) error { return x.Keys.Publish(ctx, "id", []byte("x")) },
		"Statements": func(ctx context.Context) error { _, err := x.Keys.Statements(ctx, "beta"); return err },
	}
	for _, state := range []string{"gone", "empty"} {
		for what, call := range calls {
			code(t, call(t.Context()), mft.CodeUnreachable, what+" when the folder is "+state)
		}
		if state == "gone" {
			ok(t, os.Mkdir(path, 0o755))
		}
	}
	if entries, err := os.ReadDir(path); err != nil || len(entries) != 0 {
		t.Errorf("calls made %v, %v where the folder is to be mounted", entries, err)
	}
	_, err := Setup(t.Context(), path, "alpha")
	ok(t, err)
	ok(t, x.Container.Stage(t.Context(), "object", 0, []byte("x"))) // and it goes on
}

// hexName makes the name of a letter that was put at some time.
func hexName(put int64) string {
	return layout.Letter{Put: put, ID: layout.Token(), Claim: strings.Repeat("0", layout.TokenSize)}.String()
}

// TestForeignFiles puts into a queue what no agent puts.
func TestForeignFiles(t *testing.T) {
	path := shared(t, "alpha", "beta")
	f := open(t, path, "alpha", newShift())
	q := f.exchange().Queue
	dir := filepath.Join(path, "alpha", queueDir)
	file := func(name, content string) { ok(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644)) }
	file("no-letter", "x")
	file(hexName(1)+"x", "x")
	file(hexName(2), "")
	file(hexName(3), strings.Repeat("x", exchange.MaxLetter+1))
	ok(t, os.Mkdir(filepath.Join(dir, hexName(4)), 0o755))
	ok(t, os.WriteFile(filepath.Join(path, "secret"), []byte("secret"), 0o600))
	if err := os.Symlink(filepath.Join(path, "secret"), filepath.Join(dir, hexName(5))); err != nil && runtime.GOOS != "windows" {
		t.Fatal(err)
	}
	full := hexName(6)
	ok(t, os.Mkdir(filepath.Join(dir, full), 0o755))
	ok(t, os.WriteFile(filepath.Join(dir, full, "file"), nil, 0o644))
	ok(t, q.Put(t.Context(), "alpha", []byte("good")))
	got, err := q.Take(t.Context(), 1, time.Hour)
	if err != nil || len(got) != 1 || string(got[0].Body) != "good" {
		t.Fatalf("Take: %v, %v; want the good letter", got, err)
	}
	ok(t, q.Remove(t.Context(), &got[0]))
	if got, err = q.Take(t.Context(), 32, time.Hour); err != nil || len(got) != 0 {
		t.Errorf("Take: %v, %v; want nothing", got, err)
	}
	code(t, q.Renew(t.Context(), &exchange.Letter{Claim: "../../beta/queue/x"}, 1), mft.CodeUsage, "Renew of a claim that is none")
	code(t, q.Remove(t.Context(), &exchange.Letter{Claim: "../../beta/queue/x"}), mft.CodeUsage, "Remove of a claim that is none")
	if _, err := os.Stat(filepath.Join(path, "secret")); err != nil {
		t.Errorf("what a link led to: %v", err)
	}
}

func TestThousandsOfLetters(t *testing.T) {
	path := shared(t, "alpha")
	f := open(t, path, "alpha", newShift())
	const n = 3<<10 + 80 // more than are listed at once, and some
	for i := range n {
		name := filepath.Join(path, "alpha", queueDir, hexName(int64(i*7919%n))) // in no order
		ok(t, os.WriteFile(name, fmt.Append(nil, i*7919%n), 0o644))
	}
	for start := 0; start < 3*exchange.MaxTake; start += exchange.MaxTake {
		got, err := f.exchange().Queue.Take(t.Context(), n, time.Hour)
		if err != nil || len(got) != exchange.MaxTake {
			t.Fatalf("Take: %d letters, %v; want %d", len(got), err, exchange.MaxTake)
		}
		for i, l := range got {
			if want := fmt.Sprint(start + i); string(l.Body) != want {
				t.Fatalf("letter %d is %s, want the oldest first: %s", i, l.Body, want)
			}
		}
	}
}

// TestLeftOver has crashes leave files, and lets an hour pass.
func TestLeftOver(t *testing.T) {
	path, s := shared(t, "alpha"), newShift()
	f := open(t, path, "alpha", s)
	x := f.exchange()
	left := []string{
		filepath.Join(path, "alpha", queueDir, partPrefix+layout.Token()),
		filepath.Join(path, "alpha", temporaryDir, partPrefix+layout.Token()),
		filepath.Join(path, "alpha", temporaryDir, partPrefix+layout.Token(), "staged", "00000"),
	}
	for _, name := range left {
		ok(t, os.MkdirAll(filepath.Dir(name), 0o755))
		ok(t, os.WriteFile(name, []byte("half"), 0o600))
	}
	ok(t, x.Queue.Put(t.Context(), "alpha", []byte("x")))
	ok(t, x.Container.Stage(t.Context(), "object", 0, []byte("x")))
	// What a crash leaves before the first block is there.
	ok(t, os.MkdirAll(filepath.Join(path, "alpha", objectsDir, objectPrefix+"begun"), 0o755))
	for _, passed := range []time.Duration{0, leftOver + time.Minute} {
		s.add(passed)
		if got, err := x.Queue.Take(t.Context(), 1, time.Minute); err != nil || len(got) != 1 {
			t.Errorf("Take: %v, %v; want the letter", got, err)
		}
		n := 0
		ok(t, x.Container.List(t.Context(), func(o exchange.Object) bool { n++; return !o.Published }))
		if n != 2 {
			t.Errorf("List: %d objects, want 2", n)
		}
		for _, name := range left {
			if _, err := os.Stat(name); (err == nil) != (passed == 0) {
				t.Errorf("after %v: %v", passed, err)
			}
		}
	}
	ok(t, x.Container.Remove(t.Context(), "begun"))
	ok(t, x.Container.Stage(t.Context(), "object", 0, []byte("y")))
	ok(t, x.Container.Stage(t.Context(), "object", 1, []byte("beyond")))
	ok(t, x.Container.Publish(t.Context(), "object", 1))
	code(t, x.Container.Stage(t.Context(), "object", 0, []byte("z")), mft.CodeExists, "Stage of what is published")
	blocks, err := filepath.Glob(filepath.Join(path, "alpha", objectsDir, objectPrefix+"object", "s-*", "*"))
	if err != nil || len(blocks) != 1 {
		t.Errorf("blocks kept: %v, %v; want the one that was published", blocks, err)
	}
	if entries, err := os.ReadDir(filepath.Join(path, "alpha", temporaryDir)); err != nil || len(entries) != 0 {
		t.Errorf("temporary files left: %v, %v", entries, err)
	}
}

// TestHostileOwner has an agent grant what is not its to give.
func TestHostileOwner(t *testing.T) {
	path := shared(t, "alpha", "beta")
	a, b := open(t, path, "alpha", newShift()).exchange(), open(t, path, "beta", newShift()).exchange()
	ok(t, a.Container.Stage(t.Context(), "object", 0, []byte("mine")))
	ok(t, a.Container.Publish(t.Context(), "object", 1))
	g, err := a.Container.Grant(t.Context(), "object", time.Minute)
	ok(t, err)
	secret := filepath.Join(path, "secret")
	ok(t, os.WriteFile(secret, []byte("secret"), 0o600))
	ref, err := parseReference(g.Ref)
	ok(t, err)
	grant := filepath.Join(path, filepath.FromSlash(ref.dir()), ref.grant.String())
	content, err := os.ReadFile(grant)
	ok(t, err)
	x, isIndex := layout.ParseIndex(content)
	if !isIndex {
		t.Fatalf("the grant says %q", content)
	}
	block := filepath.Join(filepath.Dir(grant), x.Layer(0).String(), layout.Block(0))
	read := func(what string) {
		t.Helper()
		p := []byte("none")
		err := b.Reader.Read(t.Context(), g.Ref, 0, p)
		var known *mft.Error
		if !errors.As(err, &known) || bytes.Equal(p, []byte("secr")) {
			t.Errorf("%s: Read returned %q, %v", what, p, err)
			return
		}
		if strings.Contains(err.Error(), ref.grant.Token) || strings.Contains(err.Error(), x.Layer(0).Token) {
			t.Errorf("%s: the error tells the secret: %v", what, err)
		}
	}
	for what, text := range map[string]string{
		"a way up": "../../secret", "noise": "\x00\xff", "nothing": "", "much": strings.Repeat("p", 4096),
		"more blocks": strings.Replace(string(content), "1 4 4", "2 4 4", 1), "a longer block": strings.Replace(string(content), "1 4 4", "1 9 9", 1),
	} {
		ok(t, os.WriteFile(grant, []byte(text), 0o644))
		if what == "more blocks" || what == "a longer block" {
			if err := b.Reader.Read(t.Context(), g.Ref, 0, make([]byte, 6)); mft.CodeOf(err) != mft.CodeNotFound {
				t.Errorf("a grant with %s: %v, want code %q", what, err, mft.CodeNotFound)
			}
			continue
		}
		read("a grant with " + what)
	}
	ok(t, os.WriteFile(grant, content, 0o644))
	ok(t, os.Truncate(block, 3))
	read("a block that was cut")
	ok(t, os.Remove(block))
	read("a block that is gone")
	ok(t, os.Mkdir(block, 0o755))
	read("a block that is a directory")
	ok(t, os.Remove(block))
	if err := os.Symlink(secret, block); err == nil {
		read("a block that is a link")
		ok(t, os.Remove(grant))
		ok(t, os.Symlink(secret, grant))
		read("a grant that is a link")
		ok(t, os.RemoveAll(filepath.Join(path, "alpha", keysDir)))
		ok(t, os.Symlink(path, filepath.Join(path, "alpha", keysDir)))
		_, err = b.Keys.Statements(t.Context(), "alpha")
		code(t, err, mft.CodeSymlink, "Statements from a link")
	}
}

// TestLostAnswer has a network file system rename a letter and then say that it is
// not there.
func TestLostAnswer(t *testing.T) {
	path := shared(t, "alpha")
	f := open(t, path, "alpha", newShift())
	from, to := hexName(1), hexName(2)
	ok(t, os.WriteFile(filepath.Join(path, "alpha", queueDir, to), []byte("x"), 0o644))
	ok(t, f.use(t.Context(), "test", func(c *call) error {
		d, err := c.open("alpha", queueDir)
		if err != nil {
			return err
		}
		for want, name := range map[bool]string{true: to, false: hexName(3)} {
			if won, err := move(d, from, name); won != want || err != nil {
				t.Errorf("move: %v, %v; want %v", won, err, want)
			}
		}
		made, err := d.Create("made")
		if err != nil {
			return err
		}
		defer made.Close()
		for name, want := range map[string]bool{"made": true, to: false, "none": false} {
			if got := isAt(made, d, name); got != want {
				t.Errorf("isAt(%q) = %v, want %v", name, got, want)
			}
		}
		return nil
	}))
}

func TestDescriptors(t *testing.T) {
	path := shared(t, "alpha", "beta")
	x := open(t, path, "alpha", newShift()).exchange()
	next := func() uintptr {
		f, err := os.Open(path)
		ok(t, err)
		defer f.Close()
		return f.Fd()
	}
	round := func() {
		ok(t, x.Queue.Put(t.Context(), "alpha", []byte("x")))
		code(t, x.Queue.Put(t.Context(), "nobody", []byte("x")), mft.CodeNotFound, "Put")
		got, err := x.Queue.Take(t.Context(), 1, time.Minute)
		ok(t, err)
		ok(t, x.Queue.Remove(t.Context(), &got[0]))
		ok(t, x.Container.Stage(t.Context(), "object", 0, []byte("xyz")))
		ok(t, x.Container.Publish(t.Context(), "object", 1))
		g, err := x.Container.Grant(t.Context(), "object", time.Minute)
		ok(t, err)
		ok(t, x.Reader.Read(t.Context(), g.Ref, 1, make([]byte, 2)))
		code(t, x.Reader.Read(t.Context(), g.Ref, 1, make([]byte, 3)), mft.CodeNotFound, "Read")
		ok(t, x.Container.Remove(t.Context(), "object"))
		_, err = x.Keys.Statements(t.Context(), "beta")
		ok(t, err)
	}
	round()
	before := next()
	for range 5 {
		round()
	}
	if after := next(); runtime.GOOS != "windows" && after != before {
		t.Errorf("the next descriptor is %d, and was %d: some stay open", after, before)
	}
}

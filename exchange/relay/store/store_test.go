package store

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/exchange/relay/wire"
)

// A shift moves a clock.
type shift struct{ by atomic.Int64 }

func (s *shift) add(d time.Duration) { s.by.Add(int64(d)) }
func (s *shift) now() time.Time      { return time.Now().Add(time.Duration(s.by.Load())) }

func open(t *testing.T, dir string, clock *shift) *Store {
	t.Helper()
	s, err := Open(t.Context(), Config{
		Dir: dir, Now: clock.now, Letters: 10 * time.Hour, Unfinished: 2 * time.Hour, Unfetched: 5 * time.Hour,
		Failed: func(err error) { t.Logf("Failed: %v", err) },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func stage(t *testing.T, s *Store, name string, number int, content string) {
	t.Helper()
	err := s.Stage(t.Context(), Block{Owner: "erp", Name: name, Number: number, Size: int64(len(content))}, strings.NewReader(content))
	if err != nil {
		t.Fatalf("Stage(%q, %d): %v", name, number, err)
	}
}

// files returns the files of blocks, below dir.
func files(t *testing.T, dir string) []string {
	t.Helper()
	list, err := filepath.Glob(filepath.Join(dir, objectsDir, "*", "*"))
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestOneProcess(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "relay")
	open(t, dir, &shift{})
	if _, err := Open(t.Context(), Config{Dir: dir}); mft.CodeOf(err) != mft.CodeRunning {
		t.Errorf("Open of a store that another has: %v, want code %s", err, mft.CodeRunning)
	}
}

// TestLeftOver: what a crash left that the database does not name is removed, and what
// it names stays.
func TestLeftOver(t *testing.T) {
	dir, clock := filepath.Join(t.TempDir(), "relay"), &shift{}
	s := open(t, dir, clock)
	stage(t, s, "kept", 0, "content")
	stage(t, s, "kept", 0, "newer content") // the old file goes at once
	kept := files(t, dir)
	if len(kept) != 1 {
		t.Fatalf("the store has the files %q, want one", kept)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{filepath.Join(filepath.Dir(kept[0]), "00001-0123456789abcdef"), filepath.Join(dir, objectsDir, "99", "00000-x")} {
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s = open(t, dir, clock)
	if got := files(t, dir); len(got) != 1 || got[0] != kept[0] {
		t.Errorf("after the start the store has the files %q, want %q", got, kept)
	}
	if err := s.Publish(t.Context(), "erp", "kept", 1); err != nil {
		t.Fatal(err)
	}
	g, err := s.Grant(t.Context(), "erp", "kept", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	r, err := s.Read(t.Context(), g.Ref, 6, 7)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if got, err := io.ReadAll(r); err != nil || string(got) != "content" {
		t.Errorf("Read: %q, %v", got, err)
	}
}

// TestFileMissing: a disk that lost a file is told, and nothing else is read in its
// place.
func TestFileMissing(t *testing.T) {
	dir, clock := filepath.Join(t.TempDir(), "relay"), &shift{}
	s := open(t, dir, clock)
	stage(t, s, "o", 0, "one")
	stage(t, s, "o", 1, "two")
	if err := s.Publish(t.Context(), "erp", "o", 2); err != nil {
		t.Fatal(err)
	}
	g, err := s.Grant(t.Context(), "erp", "o", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(files(t, dir)[1]); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Read(t.Context(), g.Ref, 3, 3); mft.CodeOf(err) != mft.CodeNotFound {
		t.Errorf("Read of what is lost: %v, want code %s", err, mft.CodeNotFound)
	}
	r, err := s.Read(t.Context(), g.Ref, 0, 6)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if got, err := io.ReadAll(r); err == nil || string(got) != "one" {
		t.Errorf("Read across what is lost: %q, %v; want an error", got, err)
	}
}

// TestStageFails: a block that does not come, is short or too long leaves nothing.
func TestStageFails(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "relay")
	s := open(t, dir, &shift{})
	for name, content := range map[string]io.Reader{
		"breaks off": io.MultiReader(strings.NewReader("abc"), iotest.ErrReader(errors.New("gone"))),
		"short":      strings.NewReader("abc"),
		"long":       strings.NewReader("abcdefg"),
	} {
		err := s.Stage(t.Context(), Block{Owner: "erp", Name: "o", Number: 0, Size: 5}, content)
		if err == nil || len(files(t, dir)) > 0 {
			t.Errorf("Stage of a block that %s: %v, and the files %q; want an error and none", name, err, files(t, dir))
		}
	}
	if p, err := s.Place(t.Context(), "erp"); err != nil || p.Bytes != 0 {
		t.Errorf("Place: %+v, %v; want no bytes", p, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Stage(ctx, Block{Owner: "erp", Name: "o", Number: 0, Size: 3}, strings.NewReader("abc")); err == nil || len(files(t, dir)) > 0 {
		t.Errorf("Stage after the end: %v, and the files %q", err, files(t, dir))
	}
}

// TestCollect: what nobody comes for goes after its time, what is used stays, and time
// in which the relay did not run does not count.
func TestCollect(t *testing.T) {
	dir, clock := filepath.Join(t.TempDir(), "relay"), &shift{}
	s := open(t, dir, clock)
	ctx := t.Context()
	stage(t, s, "unfinished", 0, "x")
	for _, name := range []string{"unfetched", "fetched"} {
		stage(t, s, name, 0, "x")
		if err := s.Publish(ctx, "erp", name, 1); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Put(ctx, Put{From: "erp", To: "ledger", Body: []byte("x")}); err != nil {
		t.Fatal(err)
	}
	after := func(d time.Duration, want ...string) {
		t.Helper()
		clock.add(d)
		if err := s.Collect(ctx); err != nil {
			t.Fatalf("Collect: %v", err)
		}
		got, err := s.List(ctx, "erp", "")
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, o := range got.Objects {
			names = append(names, o.Name)
		}
		if strings.Join(names, " ") != strings.Join(want, " ") || len(files(t, dir)) != len(want) {
			t.Errorf("after %v there are the objects %q and the files %q, want %q", d, names, files(t, dir), want)
		}
	}
	read := func() {
		t.Helper()
		g, err := s.Grant(ctx, "erp", "fetched", time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		r, err := s.Read(ctx, g.Ref, 0, 1)
		if err != nil {
			t.Fatal(err)
		}
		r.Close()
	}
	after(time.Hour, "fetched", "unfetched", "unfinished")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	clock.add(1000 * time.Hour) // it does not run
	s = open(t, dir, clock)
	after(time.Minute, "fetched", "unfetched", "unfinished")
	after(time.Hour, "fetched", "unfetched")
	read()
	after(4*time.Hour, "fetched")
	read()
	after(4*time.Hour, "fetched")
	if p, err := s.Place(ctx, "ledger"); err != nil || p.Letters != 0 {
		t.Errorf("Place: %+v, %v; want that the letter is gone", p, err)
	}
	after(6 * time.Hour)
}

// TestGrantEndsByTheWall: a grant does not last longer because the relay was off.
func TestGrantEndsByTheWall(t *testing.T) {
	dir, clock := filepath.Join(t.TempDir(), "relay"), &shift{}
	s := open(t, dir, clock)
	stage(t, s, "o", 0, "x")
	if err := s.Publish(t.Context(), "erp", "o", 1); err != nil {
		t.Fatal(err)
	}
	g, err := s.Grant(t.Context(), "erp", "o", 10*time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	clock.add(time.Hour)
	s = open(t, dir, clock)
	if _, err := s.Read(t.Context(), g.Ref, 0, 1); mft.CodeOf(err) != mft.CodeExpired {
		t.Errorf("Read an hour later: %v, want code %s", err, mft.CodeExpired)
	}
}

// TestManyGrants: of one object only so many are good at once, the newest.
func TestManyGrants(t *testing.T) {
	clock := &shift{}
	s := open(t, filepath.Join(t.TempDir(), "relay"), clock)
	stage(t, s, "o", 0, "x")
	if err := s.Publish(t.Context(), "erp", "o", 1); err != nil {
		t.Fatal(err)
	}
	var grants []wire.Grant
	for range grantsOf + 3 {
		clock.add(time.Second)
		g, err := s.Grant(t.Context(), "erp", "o", 10*time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		grants = append(grants, g)
	}
	for i, g := range grants {
		r, err := s.Read(t.Context(), g.Ref, 0, 1)
		if (err == nil) != (i >= 3) {
			t.Errorf("Read by grant %d of %d: %v", i, len(grants), err)
		}
		if err == nil {
			r.Close()
		}
	}
}

package clearing

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"mft.dev/mft"
	"mft.dev/mft/internal/confine"
	"mft.dev/mft/journal/leaving"
)

// A yard has a source, an archive, and a directory that nothing may happen to.
type yard struct {
	*clearing
	t                     *testing.T
	source, sent, outside string
}

func newYard(t *testing.T, archives, apart bool) *yard {
	t.Helper()
	top := t.TempDir()
	y := &yard{t: t, source: filepath.Join(top, "out"), sent: filepath.Join(top, "sent"), outside: filepath.Join(top, "outside")}
	for _, dir := range []string{y.source, y.sent, y.outside} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	y.clearing = &clearing{portion: mft.TransferID{1}, apart: apart, filled: map[string]*confine.Dir{}, cleared: map[string]*confine.Dir{}}
	y.root = y.open(y.source)
	if archives {
		y.archive = y.open(y.sent)
	}
	return y
}

func (y *yard) open(dir string) *confine.Root {
	root, err := confine.Open(dir)
	if err != nil {
		y.t.Fatal(err)
	}
	y.t.Cleanup(func() { root.Close() })
	return root
}

func (y *yard) do(err error) {
	y.t.Helper()
	if err != nil {
		y.t.Fatal(err)
	}
}

// put writes a file, through no link that somebody else makes of its directory.
func put(root *os.Root, rel, content string) error {
	if err := root.MkdirAll(filepath.Dir(rel), 0o755); err != nil {
		return err
	}
	return root.WriteFile(rel, []byte(content), 0o644)
}

// sending is a file that was sent as it is.
func (y *yard) sending(rel, content string) leaving.File {
	y.t.Helper()
	root, err := os.OpenRoot(y.source)
	y.do(err)
	defer root.Close()
	y.do(put(root, rel, content))
	info, err := root.Lstat(rel)
	y.do(err)
	return fileOf(rel, info)
}

func fileOf(rel string, info os.FileInfo) leaving.File {
	id := confine.Stamp(info)
	return leaving.File{Path: []byte(rel), Size: id.Size, MTime: id.MTime, CTime: id.CTime, Inode: id.Inode}
}

// tree returns the files below a directory.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(p string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(p)
		rel, _ := filepath.Rel(dir, p)
		out[filepath.ToSlash(rel)] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// later gives a file another time of change.
func later(path string) error {
	before, err := os.Stat(path)
	for now := before; err == nil && confine.Stamp(now).CTime == confine.Stamp(before).CTime; { // it moves in ticks
		if err = os.Chmod(path, 0o600); err == nil {
			now, err = os.Stat(path)
		}
	}
	return err
}

func TestLeave(t *testing.T) {
	for _, tt := range []struct {
		name             string
		archives, apart  bool
		before           func(y *yard, at string) error
		want             Fate
		source, archived map[string]string
	}{
		{name: "is removed", want: Removed},
		{name: "is archived", archives: true, want: Archived, archived: map[string]string{"d/f": "one"}},
		{name: "is archived elsewhere", archives: true, apart: true, want: Archived, archived: map[string]string{"d/f": "one"}},
		{name: "the name is taken", archives: true, before: func(y *yard, _ string) error {
			return os.MkdirAll(filepath.Join(y.sent, "d", "f"), 0o755)
		}, want: Archived, archived: map[string]string{"d/f.~1~": "one"}},
		{name: "the name is taken elsewhere", archives: true, apart: true, before: func(y *yard, _ string) error {
			y.do(os.MkdirAll(filepath.Join(y.sent, "d"), 0o755))
			return os.WriteFile(filepath.Join(y.sent, "d", "f"), []byte("six"), 0o644)
		}, want: Archived, archived: map[string]string{"d/f": "six", "d/f.~1~": "one"}},
		{name: "it is gone", before: func(_ *yard, at string) error { return os.Remove(at) }, want: Gone},
		{name: "its directory is gone", before: func(_ *yard, at string) error { return os.RemoveAll(filepath.Dir(at)) }, want: Gone},
		{
			name: "it has grown", before: func(_ *yard, at string) error { return os.WriteFile(at, []byte("longer"), 0o644) },
			want: Changed, source: map[string]string{"d/f": "longer"},
		},
		{name: "its mode is another", before: func(_ *yard, at string) error { return later(at) }, want: Changed, source: map[string]string{"d/f": "one"}},
		{name: "it was written with its times kept", before: func(_ *yard, at string) error {
			info, err := os.Stat(at)
			if err == nil {
				err = later(at)
			}
			if err == nil {
				err = os.WriteFile(at, []byte("eno"), 0o644)
			}
			if err == nil {
				err = os.Chtimes(at, info.ModTime(), info.ModTime())
			}
			return err
		}, want: Changed, source: map[string]string{"d/f": "eno"}},
		{name: "it is another file", before: func(_ *yard, at string) error {
			if err := os.WriteFile(at+".new", []byte("new"), 0o644); err != nil {
				return err
			}
			return os.Rename(at+".new", at)
		}, want: Changed, source: map[string]string{"d/f": "new"}},
		{name: "it is a link", before: func(y *yard, at string) error {
			y.do(os.Rename(at, filepath.Join(y.outside, "f")))
			return os.Symlink(filepath.Join(y.outside, "f"), at)
		}, want: Changed, source: map[string]string{"d/f": "one"}},
		{name: "its directory is a link", before: func(y *yard, at string) error {
			y.do(os.Rename(filepath.Dir(at), filepath.Join(y.outside, "d")))
			return os.Symlink(filepath.Join(y.outside, "d"), filepath.Dir(at))
		}, want: Changed, source: map[string]string{"d": "dir"}},
		{name: "a directory of the archive is a link", archives: true, before: func(y *yard, _ string) error {
			return os.Symlink(y.outside, filepath.Join(y.sent, "d"))
		}, want: Stuck, source: map[string]string{"d/f": "one"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			y := newYard(t, tt.archives, tt.apart)
			f := y.sending("d/f", "one")
			at := filepath.Join(y.source, "d", "f")
			if tt.before != nil {
				y.do(tt.before(y, at))
			}
			got, _, err := y.leave(&f)
			if got != tt.want || (err != nil) != (tt.want == Stuck) {
				t.Fatalf("leave = %v, %v, want %v", got, err, tt.want)
			}
			y.do(y.flush())
			if tt.source["d"] == "" {
				if got := tree(t, y.source); !maps.Equal(got, tt.source) {
					t.Errorf("the source has %q, want %q", got, tt.source)
				}
			}
			if tt.archived != nil {
				if got := tree(t, y.sent); !maps.Equal(got, tt.archived) {
					t.Errorf("the archive has %q, want %q", got, tt.archived)
				}
			}
			if tt.want == Stuck { // it has another time of change now, and is known by it
				y.do(os.Remove(filepath.Join(y.sent, "d")))
				if got, _, err := y.leave(&f); got != Archived || err != nil {
					t.Errorf("leave, when nothing is in the way any more = %v, %v, want archived", got, err)
				}
			}
		})
	}
}

// After a crash at any point everything is done again, and nothing is lost or there twice.
func TestLeaveAgain(t *testing.T) {
	for _, tt := range []struct {
		name            string
		archives, apart bool
		crash           func(y *yard, at, aside string) error
		want            Fate
	}{
		{"with its other name", false, false, func(_ *yard, at, aside string) error { return os.Rename(at, aside) }, Removed},
		{"removed", false, false, func(_ *yard, at, _ string) error { return os.Remove(at) }, Gone},
		{"with its other name, to be archived", true, false, func(_ *yard, at, aside string) error { return os.Rename(at, aside) }, Archived},
		{"archived", true, false, func(y *yard, at, _ string) error {
			y.do(os.Mkdir(filepath.Join(y.sent, "d"), 0o755))
			return os.Rename(at, filepath.Join(y.sent, "d", "f"))
		}, Archived},
		{"half a copy", true, true, func(y *yard, at, aside string) error {
			y.do(os.Mkdir(filepath.Join(y.sent, "d"), 0o755))
			y.do(os.WriteFile(filepath.Join(y.sent, "d", filepath.Base(aside)), []byte("o"), 0o600))
			return os.Rename(at, aside)
		}, Archived},
		{"a whole copy", true, true, func(y *yard, at, aside string) error {
			y.do(os.Mkdir(filepath.Join(y.sent, "d"), 0o755))
			copied := filepath.Join(y.sent, "d", "f")
			y.do(os.WriteFile(copied, []byte("one"), 0o600))
			info, err := os.Stat(at)
			y.do(err)
			y.do(os.Chtimes(copied, info.ModTime(), info.ModTime()))
			return os.Rename(at, aside)
		}, Archived},
	} {
		t.Run(tt.name, func(t *testing.T) {
			y := newYard(t, tt.archives, tt.apart)
			f := y.sending("d/f", "one")
			at := filepath.Join(y.source, "d", "f")
			y.do(tt.crash(y, at, filepath.Join(y.source, "d", y.aside("d/f"))))
			for range 2 {
				if got, _, err := y.leave(&f); got != tt.want || err != nil {
					t.Fatalf("leave = %v, %v, want %v", got, err, tt.want)
				}
				if !tt.archives || tt.apart {
					break // the second time there is nothing to find it by
				}
			}
			if got := tree(t, y.source); len(got) > 0 {
				t.Errorf("the source has %q, want nothing", got)
			}
			if got := tree(t, y.sent); tt.archives && !maps.Equal(got, map[string]string{"d/f": "one"}) {
				t.Errorf("the archive has %q, want d/f once", got)
			}
		})
	}
}

// What was exchanged just before it got its other name has its name again after a crash,
// or one that is like it.
func TestGiveBack(t *testing.T) {
	for _, taken := range []bool{false, true} {
		y := newYard(t, false, false)
		f := y.sending("f", "one")
		y.do(os.WriteFile(filepath.Join(y.source, y.aside("f")), []byte("another"), 0o644))
		want := map[string]string{"f": "another"}
		if taken {
			want = map[string]string{"f": "one", "f.~1~": "another"}
		} else {
			y.do(os.Remove(filepath.Join(y.source, "f")))
		}
		if got, _, err := y.leave(&f); got != Changed || err != nil {
			t.Fatalf("leave = %v, %v, want changed", got, err)
		}
		if got := tree(t, y.source); !maps.Equal(got, want) {
			t.Errorf("the source has %q, want %q", got, want)
		}
	}
}

// Somebody makes a file new while the one that was sent leaves: the new one is never lost.
func TestLeaveRacesWriter(t *testing.T) {
	for _, archives := range []bool{false, true} {
		y := newYard(t, archives, false)
		lost := 0
		for i := range 400 {
			name := fmt.Sprintf("f%d", i)
			f := y.sending(name, "old")
			at := filepath.Join(y.source, name)
			y.do(os.WriteFile(filepath.Join(y.outside, name), []byte("new"), 0o644))
			var all sync.WaitGroup
			all.Go(func() {
				for range i % 7 {
					runtime.Gosched()
				}
				if err := os.Rename(filepath.Join(y.outside, name), at); err != nil {
					t.Error(err)
				}
			})
			_, where, err := y.leave(&f)
			all.Wait()
			y.do(err)
			found := false
			for _, p := range []string{name, where} {
				if b, err := os.ReadFile(filepath.Join(y.source, p)); p != "" && err == nil && string(b) == "new" {
					found = true
				}
			}
			if !found {
				lost++
			}
		}
		if lost > 0 {
			t.Errorf("with an archive: %t; %d of 400 new files were lost", archives, lost)
		}
	}
}

// Somebody exchanges the directory for a link to another one all the time: nothing there
// is touched.
func TestLeaveRacesLink(t *testing.T) {
	for _, archives := range []bool{false, true} {
		y := newYard(t, archives, false)
		dir, away := filepath.Join(y.source, "d"), filepath.Join(y.source, "d2")
		y.do(os.Mkdir(dir, 0o755))
		inside, err := os.OpenRoot(dir)
		y.do(err)
		defer inside.Close()
		const files = 400
		var list []leaving.File
		for i := range files {
			name := fmt.Sprintf("f%d", i)
			y.do(put(inside, name, "sent"))
			info, err := inside.Lstat(name)
			y.do(err)
			list = append(list, fileOf("d/"+name, info))
			// What lies outside looks the same: a link of the same file.
			y.do(os.Link(filepath.Join(dir, name), filepath.Join(y.outside, name)))
			f := &list[i]
			info, err = inside.Lstat(name)
			y.do(err)
			*f = fileOf("d/"+name, info)
		}
		over := make(chan struct{})
		var all sync.WaitGroup
		all.Go(func() {
			for {
				select {
				case <-over:
					return
				default:
				}
				_ = os.Rename(dir, away)
				_ = os.Symlink(y.outside, dir)
				runtime.Gosched()
				_ = os.Remove(dir)
				_ = os.Rename(away, dir)
			}
		})
		left := 0
		for i := range list {
			for try := 0; ; try++ {
				y.root.FlushCache()
				what, _, err := y.leave(&list[i])
				if what == Removed || what == Archived {
					left++
				}
				if err == nil && what != Stuck || try > 10 {
					break
				}
			}
		}
		close(over)
		all.Wait()
		if got := tree(t, y.outside); len(got) != files {
			t.Errorf("with an archive: %t; outside there are %d files, want all %d", archives, len(got), files)
		}
		have := len(tree(t, y.source)) + left
		if archives {
			have = len(tree(t, y.source)) + len(tree(t, y.sent))
		}
		if have != files {
			t.Errorf("with an archive: %t; %d files are accounted for, want %d", archives, have, files)
		}
		for name := range tree(t, y.source) {
			if strings.Contains(name, ".part") {
				t.Errorf("%s was left under its other name", name)
			}
		}
		t.Logf("with an archive: %t; %d of %d left", archives, left, files)
	}
}

package e2e

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// stagingPrefix starts the names under which mft keeps what is not finished.
// Nobody may take such a thing for a file that has arrived.
const stagingPrefix = ".mft-"

// markName is a file of drain.
const markName = stagingPrefix + "mark-of-the-consumer"

// A consumer watches the directory in which files are to appear. It reads each
// file the moment that it appears, and writes down what it saw. It is told by
// inotify, and looks for itself when a directory is new or it was too slow.
type consumer struct {
	t    testing.TB
	root string
	// keep is where files go: moved there with take, else as a second link, so
	// that no inode is used twice.
	keep string
	take bool

	inotify *os.File
	fd      int // of inotify; File.Fd would make it block
	ended   chan struct{}

	mu      sync.Mutex
	dirs    map[int32]string // by watch, relative to root
	events  map[string]int   // how often a name appeared according to inotify
	seen    map[appearance]content
	names   map[string]int // how many inodes appeared under a name
	strange []string       // what should not have been there at all
	marked  bool           // drain's own file was seen
	changed chan struct{}  // closed, and made anew, when something appeared
}

// An appearance is one file under one name.
type appearance struct {
	name  string
	inode uint64
}

// consume starts to watch root.
func consume(t testing.TB, root, keep string, take bool) *consumer {
	t.Helper()
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(keep, 0o755); err != nil {
		t.Fatal(err)
	}
	c := &consumer{
		t: t, root: root, keep: keep, take: take,
		inotify: os.NewFile(uintptr(fd), "inotify"), fd: fd, ended: make(chan struct{}),
		dirs: map[int32]string{}, events: map[string]int{}, names: map[string]int{},
		seen: map[appearance]content{}, changed: make(chan struct{}),
	}
	c.mu.Lock()
	c.watch("")
	c.mu.Unlock()
	go c.listen()
	t.Cleanup(func() {
		c.inotify.Close()
		<-c.ended
	})
	return c
}

// listen handles what inotify tells until the descriptor is closed.
func (c *consumer) listen() {
	defer close(c.ended)
	buf := make([]byte, 64<<10)
	for {
		n, err := c.inotify.Read(buf)
		if err != nil {
			if !errors.Is(err, os.ErrClosed) {
				c.t.Errorf("inotify: %v", err)
			}
			return
		}
		c.mu.Lock()
		for b := buf[:n]; len(b) >= unix.SizeofInotifyEvent; {
			wd := int32(binary.NativeEndian.Uint32(b))
			mask := binary.NativeEndian.Uint32(b[4:])
			length := binary.NativeEndian.Uint32(b[12:])
			name := strings.TrimRight(string(b[16:16+length]), "\x00")
			b = b[16+length:]
			c.event(wd, mask, name)
		}
		close(c.changed)
		c.changed = make(chan struct{})
		c.mu.Unlock()
	}
}

func (c *consumer) event(wd int32, mask uint32, name string) {
	dir, known := c.dirs[wd]
	rel := filepath.Join(dir, name)
	switch {
	case mask&unix.IN_Q_OVERFLOW != 0:
		for _, d := range c.dirs {
			c.look(d)
		}
	case rel == markName:
		c.marked = true
	case !known || mask&unix.IN_IGNORED != 0 || strings.HasPrefix(name, stagingPrefix):
	case mask&unix.IN_ISDIR != 0:
		if mask&(unix.IN_CREATE|unix.IN_MOVED_TO) != 0 {
			c.watch(rel)
		}
	case mask&unix.IN_MODIFY != 0:
		c.strange = append(c.strange, rel+": written under its final name")
	case mask&(unix.IN_CREATE|unix.IN_MOVED_TO) != 0:
		c.events[rel]++
		c.see(rel)
	}
}

// watch adds a directory and looks at what is in it already.
func (c *consumer) watch(rel string) {
	const mask = unix.IN_CREATE | unix.IN_MOVED_TO | unix.IN_MODIFY | unix.IN_ONLYDIR
	wd, err := unix.InotifyAddWatch(c.fd, filepath.Join(c.root, rel), mask)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			c.t.Errorf("watching %s: %v", rel, err)
		}
		return
	}
	c.dirs[int32(wd)] = rel
	c.look(rel)
}

// look scans a directory.
func (c *consumer) look(rel string) {
	entries, err := os.ReadDir(filepath.Join(c.root, rel))
	if err != nil {
		c.t.Errorf("scanning %s: %v", rel, err)
	}
	for _, e := range entries {
		sub := filepath.Join(rel, e.Name())
		switch {
		case strings.HasPrefix(e.Name(), stagingPrefix):
		case e.IsDir():
			c.watch(sub)
		default:
			c.see(sub)
		}
	}
}

// see reads the file that has appeared as rel and puts it aside.
func (c *consumer) see(rel string) {
	path := filepath.Join(c.root, rel)
	kept := filepath.Join(c.keep, fmt.Sprintf("%s@%d", strings.ReplaceAll(rel, "/", "%"), len(c.seen)))
	aside := os.Link
	if c.take {
		aside = os.Rename
	}
	inode, err := inodeOf(path)
	if err == nil {
		if _, ok := c.seen[appearance{rel, inode}]; ok {
			return
		}
		err = aside(path, kept)
	}
	if errors.Is(err, fs.ErrNotExist) {
		if c.names[rel] == 0 {
			c.strange = append(c.strange, rel+": appeared, and was gone again before it could be read")
		}
		return // a scan saw it before the event came
	}
	if err != nil {
		c.strange = append(c.strange, fmt.Sprintf("%s: %v", rel, err))
		return
	}
	inode, err = inodeOf(kept)
	got, err2 := contentOf(kept)
	if err = errors.Join(err, err2); err != nil {
		c.strange = append(c.strange, fmt.Sprintf("%s: %v", rel, err))
		return
	}
	c.seen[appearance{rel, inode}] = got
	c.names[rel]++
}

func inodeOf(path string) (uint64, error) {
	var st unix.Stat_t
	err := unix.Lstat(path, &st)
	if err != nil {
		return 0, &fs.PathError{Op: "lstat", Path: path, Err: err}
	}
	return st.Ino, nil
}

// arrived returns how many names have appeared, and a channel that is closed
// when that may have changed.
func (c *consumer) arrived() (int, <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.names), c.changed
}

// awaitArrived waits until n names have appeared.
func (c *consumer) awaitArrived(n int) error {
	limit := time.NewTimer(*patience)
	defer limit.Stop()
	for {
		got, changed := c.arrived()
		if got >= n {
			return nil
		}
		select {
		case <-changed:
			limit.Reset(*patience)
		case <-limit.C:
			return fmt.Errorf("%d files have appeared, want %d, and nothing more comes", got, n)
		}
	}
}

// drain returns when everything that happened so far has been seen: a file of
// its own that appears now is told of last.
func (c *consumer) drain() {
	c.t.Helper()
	mark := filepath.Join(c.root, markName)
	if err := os.WriteFile(mark, nil, 0o600); err != nil {
		c.t.Fatal(err)
	}
	limit := time.NewTimer(*patience)
	defer limit.Stop()
	for {
		c.mu.Lock()
		marked, changed := c.marked, c.changed
		c.mu.Unlock()
		if marked {
			break
		}
		select {
		case <-changed:
		case <-limit.C:
			c.t.Fatal("inotify does not tell of a new file")
		}
	}
	if err := os.Remove(mark); err != nil {
		c.t.Fatal(err)
	}
}

// A verdict is the difference between what was produced and what appeared.
type verdict struct {
	made                                           int
	lost, duplicated, partial, corrupt, unexpected []string
}

// verdict compares the ledger of the producer with what appeared and fails the
// test for every difference. Nothing may be moving any more.
func (c *consumer) verdict(l *ledger) {
	c.t.Helper()
	c.drain()
	v := c.judge(l)
	for _, k := range []struct {
		what  string
		which []string
	}{
		{"lost", v.lost},
		{"duplicated", v.duplicated},
		{"partial", v.partial},
		{"corrupt", v.corrupt},
		{"unexpected", v.unexpected},
	} {
		if len(k.which) > 0 {
			slices.Sort(k.which)
			c.t.Errorf("%d %s of %d: %s", len(k.which), k.what, v.made, strings.Join(k.which[:min(20, len(k.which))], ", "))
		}
	}
	c.t.Logf("%d files made: %d lost, %d duplicated, %d partial, %d corrupt, %d unexpected",
		v.made, len(v.lost), len(v.duplicated), len(v.partial), len(v.corrupt), len(v.unexpected))
}

func (c *consumer) judge(l *ledger) verdict {
	c.mu.Lock()
	defer c.mu.Unlock()
	v := verdict{made: len(l.order), unexpected: slices.Compact(slices.Sorted(slices.Values(c.strange)))}
	for _, name := range l.order {
		if n := max(c.events[name], c.names[name]); n == 0 {
			v.lost = append(v.lost, name)
		} else if n > 1 {
			v.duplicated = append(v.duplicated, fmt.Sprintf("%s (%d times)", name, n))
		}
	}
	for a, got := range c.seen {
		want, made := l.made[a.name]
		switch {
		case !made:
			v.unexpected = append(v.unexpected, a.name+": nobody made it")
		case got.size < want.size:
			v.partial = append(v.partial, fmt.Sprintf("%s (%d of %d bytes)", a.name, got.size, want.size))
		case got != want:
			v.corrupt = append(v.corrupt, a.name)
		}
	}
	for _, p := range staging(c.t, c.root) {
		v.unexpected = append(v.unexpected, p+": left over")
	}
	return v
}

// staging returns what is left of unfinished transfers below root.
func staging(t testing.TB, root string) []string {
	t.Helper()
	var left []string
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasPrefix(d.Name(), stagingPrefix) {
			left = append(left, path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	return left
}

//go:build unix

package receiver

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/protocol"
	"mft.dev/mft/protocol/listing"
	"mft.dev/mft/transfer"
)

// wire counts what both ends of the next attempts write on data connections.
func (f *fixture) wire() *atomic.Int64 {
	var n atomic.Int64
	f.wrap = func(c net.Conn) net.Conn { return both{counter{c, &n}, &n} }
	return &n
}

// both counts what is read too.
type both struct {
	net.Conn
	n *atomic.Int64
}

func (c both) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.n.Add(int64(n))
	return n, err
}

// inodes numbers what is below a directory.
func inodes(t *testing.T, dir string) map[string]uint64 {
	t.Helper()
	out := map[string]uint64{}
	for name := range arrived(t, dir) {
		var st syscall.Stat_t
		if err := syscall.Lstat(filepath.Join(dir, name), &st); err != nil {
			t.Fatal(err)
		}
		out[name] = st.Ino
	}
	return out
}

// tree makes a source of files in directories, and a link.
func (f *fixture) tree(dirs, files int) {
	f.t.Helper()
	for d := range dirs {
		for i := range files {
			f.write(fmt.Sprintf("d%03d/sub/f%04d", d, i), randomBytes(uint64(d*files+i), 100+i), 0o644)
		}
	}
	f.write("big", randomBytes(77, transfer.SmallMax+9), 0o640)
	if err := os.Symlink("big", filepath.Join(f.src, "link")); err != nil {
		f.t.Fatal(err)
	}
}

func TestUnchangedTreeCostsNothing(t *testing.T) {
	f := newFixture(t)
	f.tree(20, 30)
	first := f.deliver()
	before := inodes(t, f.dst)
	f.again()
	n := f.wire()
	res := f.deliver()
	if diff := diffMaps(before, inodes(t, f.dst)); diff != "" {
		t.Errorf("something was replaced: %s", diff)
	}
	if res.sent.Received.Items != 0 || res.sent.Unchanged != first.sent.Received {
		t.Errorf("receipt = %+v, want all %+v of the first delivery unchanged", res.sent, first.sent.Received)
	}
	if got := f.sent.Unchanged(); got != first.sent.Received {
		t.Errorf("the sender counted %+v unchanged, want %+v", got, first.sent.Received)
	}
	if got := n.Load(); got > 41*80+500 {
		t.Errorf("%d bytes travelled for 41 directories", got)
	}
}

// wantSameFiles is wantSame but for the times of directories: those of one that
// was there are left alone.
func wantSameFiles(t *testing.T, src, dst string) {
	t.Helper()
	facts := func(dir string) map[string]string {
		out := arrived(t, dir)
		for name, fact := range out {
			if fact[0] == 'd' {
				out[name], _, _ = strings.Cut(fact, " ")
			}
		}
		return out
	}
	if diff := diffMaps(facts(src), facts(dst)); diff != "" {
		t.Errorf("the destination differs from the source: %s", diff)
	}
}

func diffMaps[V comparable](a, b map[string]V) string {
	for k, v := range a {
		if w, ok := b[k]; !ok || v != w {
			return fmt.Sprintf("%s: %v, then %v (%v)", k, v, w, ok)
		}
	}
	for k := range b {
		if _, ok := a[k]; !ok {
			return k + " is new"
		}
	}
	return ""
}

func TestOnlyWhatChangedTravels(t *testing.T) {
	for _, named := range []bool{false, true} {
		t.Run(fmt.Sprintf("named=%v", named), func(t *testing.T) {
			f := newFixture(t)
			if named {
				f.sources = []string{f.src}
			}
			f.tree(30, 20)
			f.deliver()
			f.again()
			f.write("d003/sub/f0007", []byte("changed"), 0o644)
			f.write("d009/sub/new", []byte("new"), 0o644)
			f.write("d0xx/deep/er/new", []byte("new"), 0o600)
			if err := os.Chmod(filepath.Join(f.src, "d011/sub/f0001"), 0o600); err != nil {
				t.Fatal(err)
			}
			res := f.deliver()
			dst := f.dst
			if named {
				dst = filepath.Join(f.dst, "src")
			}
			wantSameFiles(t, f.src, dst)
			// Three files and three directories that hold the last.
			if res.sent.Received.Items != 6 {
				t.Errorf("receipt = %+v, want 6 items received", res.sent)
			}
			if got, want := res.sent.Received.Items+res.sent.Unchanged.Items, f.sentTotals(); got != want {
				t.Errorf("received and unchanged are %d items, the source has %d", got, want)
			}
		})
	}
}

func (f *fixture) sentTotals() int64 {
	totals, _ := f.sent.Snapshot()
	return totals.Items
}

// TestRecognised: for each change to a delivered file, whether it is sent.
func TestRecognised(t *testing.T) {
	const name = "file"
	for _, tt := range []struct {
		name      string
		compare   mft.Compare
		overwrite mft.Overwrite
		change    func(t *testing.T, src, dst string)
		replaced  bool // the file at the destination is another one
		same      bool // it has the facts of the source in the end
		unchanged int64
		code      mft.Code
	}{
		{"nothing", mft.CompareQuick, mft.OverwriteReplace, func(*testing.T, string, string) {}, false, true, 1, mft.CodeOK},
		{"nothing, none", mft.CompareNone, mft.OverwriteReplace, func(*testing.T, string, string) {}, true, true, 0, mft.CodeOK},
		{"nothing, content", mft.CompareContent, mft.OverwriteReplace, func(*testing.T, string, string) {}, false, true, 1, mft.CodeOK},
		{"nothing, never", mft.CompareQuick, mft.OverwriteNever, func(*testing.T, string, string) {}, false, true, 1, mft.CodeOK},
		{"nothing, never, content", mft.CompareContent, mft.OverwriteNever, func(*testing.T, string, string) {}, false, true, 1, mft.CodeOK},
		{"nothing, version", mft.CompareQuick, mft.OverwriteVersion, func(*testing.T, string, string) {}, false, true, 1, mft.CodeOK},
		{"time", mft.CompareQuick, mft.OverwriteReplace, touch, true, true, 0, mft.CodeOK},
		{"time, never", mft.CompareQuick, mft.OverwriteNever, touch, false, false, 0, mft.CodeExists},
		{"time, content", mft.CompareContent, mft.OverwriteReplace, touch, false, true, 1, mft.CodeOK},
		{"time, content, never", mft.CompareContent, mft.OverwriteNever, touch, false, false, 1, mft.CodeOK},
		{"mode", mft.CompareQuick, mft.OverwriteReplace, chmod, false, true, 1, mft.CodeOK},
		{"mode, never", mft.CompareQuick, mft.OverwriteNever, chmod, false, false, 0, mft.CodeExists},
		{"mode of a file with two names", mft.CompareQuick, mft.OverwriteReplace, func(t *testing.T, src, dst string) {
			chmod(t, src, dst)
			if err := os.Link(dst, dst+".kept"); err != nil {
				t.Fatal(err)
			}
		}, true, true, 0, mft.CodeOK},
		{"content, at the destination", mft.CompareQuick, mft.OverwriteReplace, spoil, false, false, 1, mft.CodeOK},
		{"content, at the destination, content", mft.CompareContent, mft.OverwriteReplace, spoil, true, true, 0, mft.CodeOK},
		{"size", mft.CompareQuick, mft.OverwriteReplace, func(t *testing.T, _, dst string) {
			if err := os.WriteFile(dst, []byte("x"), 0o644); err != nil {
				t.Fatal(err)
			}
		}, false, true, 0, mft.CodeOK}, // "replaced" is not looked at: see below
		{"gone", mft.CompareQuick, mft.OverwriteNever, func(t *testing.T, _, dst string) {
			if err := os.Remove(dst); err != nil {
				t.Fatal(err)
			}
		}, true, true, 0, mft.CodeOK},
	} {
		for _, size := range []int{1000, transfer.SmallMax + 1000} {
			t.Run(fmt.Sprintf("%s/%d", tt.name, size), func(t *testing.T) {
				f := newFixture(t)
				f.write(name, randomBytes(5, size), 0o644)
				f.deliver()
				src, dst := filepath.Join(f.src, name), filepath.Join(f.dst, name)
				tt.change(t, src, dst)
				before := inodes(t, f.dst)[name]
				f.again()
				f.offer.Compare, f.offer.Overwrite = tt.compare, tt.overwrite
				res := f.deliver()
				if res.sent.Code != tt.code || res.sent.Unchanged.Items != tt.unchanged {
					t.Errorf("receipt = %+v, want %v with %d unchanged", res.sent, tt.code, tt.unchanged)
				}
				got := arrived(t, f.dst)
				if same := got[name] == arrived(t, f.src)[name]; same != tt.same {
					t.Errorf("at the destination is %s, at the source %s", got[name], arrived(t, f.src)[name])
				}
				if replaced := inodes(t, f.dst)[name] != before; tt.name != "size" && replaced != tt.replaced {
					t.Errorf("the file was replaced: %v, want %v", replaced, tt.replaced)
				}
				if _, err := os.Lstat(dst + ".~1~"); err == nil {
					t.Error("a version was made of an unchanged file")
				}
			})
		}
	}
}

func touch(t *testing.T, src, _ string) {
	then := time.Now().Add(-time.Minute).Truncate(time.Microsecond)
	if err := os.Chtimes(src, then, then); err != nil {
		t.Fatal(err)
	}
}

func chmod(t *testing.T, src, _ string) {
	if err := os.Chmod(src, 0o600); err != nil {
		t.Fatal(err)
	}
}

// spoil changes content and leaves size and time as they were.
func spoil(t *testing.T, _, dst string) {
	fi, err := os.Stat(dst)
	if err != nil {
		t.Fatal(err)
	}
	w, err := os.OpenFile(dst, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.WriteAt([]byte("spoilt"), 100); err != nil {
		t.Fatal(err)
	}
	w.Close()
	if err := os.Chtimes(dst, fi.ModTime(), fi.ModTime()); err != nil {
		t.Fatal(err)
	}
}

// TestKnownIsAskedFirst: what this transfer delivered is not taken for
// unchanged, and what a consumer took away does not come again.
func TestKnownIsAskedFirst(t *testing.T) {
	f := newFixture(t)
	for i := range 3000 {
		f.write(fmt.Sprintf("d%d/f%04d", i%10, i), randomBytes(uint64(i), 3000), 0o644)
	}
	for i := range 10 { // so that they are not published as a whole
		if err := os.Mkdir(filepath.Join(f.dst, fmt.Sprintf("d%d", i)), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	var left atomic.Int64
	left.Store(5 << 20)
	f.wrap = func(c net.Conn) net.Conn { return cutter{c, &left} }
	if res := f.attempt(t.Context()); res.sendErr == nil {
		t.Fatal("the cut did not happen")
	}
	taken := 0
	for name := range arrived(t, f.dst) {
		if len(name) == len("d0/f0000") && taken < 100 {
			taken++
			if err := os.Remove(filepath.Join(f.dst, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if taken == 0 {
		t.Fatal("nothing was delivered before the cut")
	}
	left.Store(1 << 40)
	res := f.deliver()
	if res.sent.Received.Items != 3000 || res.sent.Unchanged.Items != 10 {
		t.Errorf("receipt = %+v, want 3000 files received and 10 directories unchanged", res.sent)
	}
	if got := len(arrived(t, f.dst)); got != 3010-taken {
		t.Errorf("the destination has %d names, want %d: what was taken away came again", got, 3010-taken)
	}
}

// TestSourceAndDestinationOfOtherTypes: what is in the way is not the same.
func TestSourceAndDestinationOfOtherTypes(t *testing.T) {
	f := newFixture(t)
	f.write("a/x", []byte("x"), 0o644)
	f.write("b", []byte("b"), 0o644)
	f.deliver()
	outside := t.TempDir()
	for _, err := range []error{
		os.RemoveAll(filepath.Join(f.dst, "a")), os.Symlink(outside, filepath.Join(f.dst, "a")),
		os.Remove(filepath.Join(f.dst, "b")), os.Mkdir(filepath.Join(f.dst, "b"), 0o755),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	f.again()
	res := f.deliver()
	if res.sent.Failed != 3 || res.sent.Unchanged.Items != 0 {
		t.Errorf("receipt = %+v, want 3 failed", res.sent)
	}
	if got := arrived(t, outside); len(got) != 0 {
		t.Errorf("a link was followed: %v", got)
	}
}

func TestWhatDoesNotTravelIsToldOnce(t *testing.T) {
	f := newFixture(t)
	f.write("d/a", []byte("a"), 0o644)
	if err := syscall.Mkfifo(filepath.Join(f.src, "d/pipe"), 0o644); err != nil {
		t.Fatal(err)
	}
	for range 3 { // new, unchanged, unchanged
		f.notes = nil
		f.again()
		f.deliver()
		told := 0
		for _, n := range f.notes {
			if n[:4] == "item" {
				told++
			}
		}
		if told != 1 {
			t.Errorf("notes = %q, want one about the pipe", f.notes)
		}
	}
}

// TestHostileListings: what a peer may say about directories.
func TestHostileListings(t *testing.T) {
	one := func(path string) []byte { return listing.Append(nil, &listing.Listing{Path: path}) }
	many := func(n int) *stream {
		s := new(stream)
		for range n {
			s.frame(protocol.FrameListings, one("d"))
		}
		return s
	}
	closed := func(l listing.Listed) []byte { return listing.AppendListed(nil, &l) }
	told := func() *stream { // that is answered with prints
		return new(stream).frame(protocol.FrameListings, listing.Append(nil, &listing.Listing{Path: "p", Entries: 12}))
	}
	matched := func(others ...int) []byte { return listing.AppendMatched(nil, &listing.Matched{Others: others}) }
	none := []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}
	items := func() *stream { return new(stream).items(0, file("a", 1<<20), file("b", 1)) }
	for _, tt := range []struct {
		name    string
		compare mft.Compare
		full    bool // the destination is not empty, and mirrored if the name says so
		stream  *stream
		code    mft.Code
	}{
		{"nothing to compare with", mft.CompareQuick, false, many(1), mft.CodeProtocol},
		{"not to be compared", mft.CompareNone, true, many(1), mft.CodeProtocol},
		{"outside", mft.CompareQuick, true, new(stream).frame(protocol.FrameListings, one("../x")), mft.CodeBadPath},
		{"absolute", mft.CompareQuick, true, new(stream).frame(protocol.FrameListings, one("/x")), mft.CodeBadPath},
		{"through a link", mft.CompareQuick, true, new(stream).frame(protocol.FrameListings, one("l")).frame(protocol.FrameEnd, nil), mft.CodeCorrupt},
		{"many", mft.CompareQuick, true, many(20_000).frame(protocol.FrameEnd, nil), mft.CodeCorrupt},
		{"listed without mirror", mft.CompareQuick, true, new(stream).frame(protocol.FrameListed, closed(listing.Listed{Path: "d"})), mft.CodeProtocol},
		{"matched without a listing", mft.CompareQuick, true, new(stream).frame(protocol.FrameMatched, matched()), mft.CodeProtocol},
		{"matched with another sum", mft.CompareQuick, true, told().frame(protocol.FrameMatched, matched()), mft.CodeCorrupt},
		{"matched beyond what was told", mft.CompareQuick, true, told().frame(protocol.FrameMatched, matched(3, 12)), mft.CodeProtocol},
		{"matched with nothing", mft.CompareQuick, true, told().frame(protocol.FrameMatched, matched(none...)).frame(protocol.FrameEnd, nil), mft.CodeCorrupt},
		{"matched twice", mft.CompareQuick, true, told().frame(protocol.FrameMatched, matched(none...)).frame(protocol.FrameMatched, matched(none...)), mft.CodeProtocol},
		{"not matched", mft.CompareQuick, true, told().frame(protocol.FrameScanned, protocol.AppendScanned(nil, &protocol.Scanned{})), mft.CodeProtocol},
		{"mirror: listed before it is matched", mft.CompareQuick, true, told().frame(protocol.FrameListed, closed(listing.Listed{Path: "p", Whole: true})), mft.CodeProtocol},
		{"mirror: another listed after it is matched", mft.CompareQuick, true, told().frame(protocol.FrameMatched, matched(none...)).frame(protocol.FrameListed, closed(listing.Listed{Path: "d", Whole: true})), mft.CodeProtocol},
		{"walked without mirror", mft.CompareQuick, true, new(stream).frame(protocol.FrameWalked, nil), mft.CodeProtocol},
		{"mirror: listed of what was not announced", mft.CompareQuick, true, items().frame(protocol.FrameListed, closed(listing.Listed{First: 0, Count: 3})), mft.CodeProtocol},
		{"mirror: listed too early", mft.CompareQuick, true, items().frame(protocol.FrameListed, closed(listing.Listed{First: 0, Count: 1})), mft.CodeProtocol},
		{"mirror: listed of an index beyond", mft.CompareQuick, true, items().frame(protocol.FrameListed, closed(listing.Listed{First: 1 << 60, Count: 2})), mft.CodeProtocol},
		{"mirror: listed twice", mft.CompareQuick, true, items().frame(protocol.FrameListed, closed(listing.Listed{Count: 2})).frame(protocol.FrameListed, closed(listing.Listed{Count: 2})), mft.CodeProtocol},
		{"mirror: listed after the scan", mft.CompareQuick, true, new(stream).frame(protocol.FrameScanned, protocol.AppendScanned(nil, &protocol.Scanned{})).frame(protocol.FrameListed, closed(listing.Listed{})), mft.CodeProtocol},
		{"mirror: through a link", mft.CompareQuick, true, new(stream).frame(protocol.FrameListed, closed(listing.Listed{Path: "l", Whole: true})).frame(protocol.FrameEnd, nil), mft.CodeCorrupt},
		{"mirror: walked twice, with a listing after", mft.CompareQuick, true, many(5).frame(protocol.FrameWalked, nil).frame(protocol.FrameWalked, nil).frame(protocol.FrameListings, one("e")).frame(protocol.FrameEnd, nil), mft.CodeCorrupt},
		{"mirror: the end while a verdict is held back", mft.CompareQuick, true, items().frame(protocol.FrameEnd, nil), mft.CodeProtocol},
		{"an answer", mft.CompareQuick, true, new(stream).frame(protocol.FrameAnswers, listing.AppendAnswers(nil, &listing.Answers{Count: 1})), mft.CodeProtocol},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t)
			f.offer.Transfer, f.offer.Compare = f.id, tt.compare
			f.offer.Mirror.On = strings.HasPrefix(tt.name, "mirror")
			if tt.full {
				if err := os.Symlink(t.TempDir(), filepath.Join(f.dst, "l")); err != nil {
					t.Fatal(err)
				}
				for i := range none {
					f.put(fmt.Sprintf("p/%d", i))
				}
			}
			if err := receiveRaw(t, f, tt.stream.Bytes()); mft.CodeOf(err) != tt.code {
				t.Errorf("Receive = %v, want %v", err, tt.code)
			}
		})
	}
}

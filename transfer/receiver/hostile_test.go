package receiver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mft.dev/mft"
	"mft.dev/mft/journal"
	"mft.dev/mft/journal/ledger"
	"mft.dev/mft/protocol"
	"mft.dev/mft/protocol/listing"
	"mft.dev/mft/protocol/patch"
	"mft.dev/mft/protocol/xattr"
	"mft.dev/mft/transfer/scan"
	"mft.dev/mft/transfer/staging/recovery"
)

// receiveRaw feeds the bytes of a data connection to a receiver and returns
// how it ended.
func receiveRaw(t testing.TB, f *fixture, stream []byte) error {
	t.Helper()
	return receiveRawFrom(t, f, stream, false)
}

// receiveRawFrom is receiveRaw, of what may come out of a parcel.
func receiveRawFrom(t testing.TB, f *fixture, stream []byte, parcel bool) error {
	t.Helper()
	f.accept()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	mine, theirs := tcpPair(t)
	var draining sync.WaitGroup
	conv := &conversation{
		out: make(chan *protocol.Envelope, 8), in: make(chan *protocol.Envelope, 8), data: make(chan net.Conn, 1),
		over: ctx, endOther: func(error) {},
	}
	conv.data <- theirs
	seal := mft.Seal{Manifest: mft.Digest{0xbb}} // of something else
	conv.in <- &protocol.Envelope{Kind: protocol.KindSeal, Body: protocol.AppendSeal(nil, &seal)}
	draining.Go(func() { // what the receiver answers
		buf := make([]byte, 1<<16)
		for {
			if _, err := mine.Read(buf); err != nil {
				return
			}
		}
	})
	draining.Go(func() {
		_, _ = mine.Write(stream)
		_ = mine.CloseWrite()
	})
	_, err := Run(ctx, conv, Incoming{
		Offer: f.offer, Landing: f.landing, Ledger: ledger.Of(f.journal, f.id), Meter: &f.received, Note: f.note, Parcel: parcel,
	})
	mine.Close()
	draining.Wait()
	return err
}

func tcpPair(t testing.TB) (mine *net.TCPConn, theirs net.Conn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	conn, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if theirs, err = ln.Accept(); err != nil {
		t.Fatal(err)
	}
	return conn.(*net.TCPConn), theirs
}

// stream writes frames as a hostile sender would.
type stream struct{ bytes.Buffer }

func (s *stream) frame(k protocol.FrameKind, payload []byte) *stream {
	n := len(payload) // as docs/protocol.md has it: a FrameWriter would refuse some of these
	s.Write([]byte{byte(k), byte(n >> 16), byte(n >> 8), byte(n)})
	s.Write(payload)
	return s
}

func (s *stream) items(first uint64, items ...mft.Item) *stream {
	return s.frame(protocol.FrameItems, protocol.AppendItems(nil, first, items))
}

func file(path string, size int64) mft.Item {
	return mft.Item{Path: path, Type: mft.ItemFile, Size: size, Mode: 0o644}
}

// extended is what has one attribute.
func extended(value string) string {
	return (&xattr.Set{Attributes: []xattr.Attribute{{Name: "user.a", Value: value}}}).Append()
}

func TestHostileSender(t *testing.T) {
	content := []byte("content")
	digest := protocol.HashOf(content)
	size := int64(len(content))
	pack := func(i uint64, d mft.Digest, c []byte) []byte { return protocol.AppendPackEntry(nil, i, d, c) }
	start := func(i uint64, off int64) []byte {
		return protocol.AppendFileStart(nil, &protocol.FileStart{Index: i, Offset: off})
	}
	end := func(n int64, d mft.Digest) []byte {
		return protocol.AppendFileEnd(nil, &protocol.FileEnd{Size: n, Digest: d})
	}
	tests := []struct {
		name   string
		stream *stream
		code   mft.Code
	}{
		{"content of nothing", new(stream).frame(protocol.FramePack, pack(0, digest, content)), mft.CodeProtocol},
		{"content twice", new(stream).items(0, file("a", size)).frame(protocol.FramePack, append(pack(0, digest, content), pack(0, digest, content)...)), mft.CodeProtocol},
		{"content of a directory", new(stream).items(0, mft.Item{Path: "d", Type: mft.ItemDir, Mode: 0o755}).frame(protocol.FramePack, pack(0, digest, content)), mft.CodeProtocol},
		{"wrong digest", new(stream).items(0, file("a", size)).frame(protocol.FramePack, pack(0, mft.Digest{}, content)), mft.CodeCorrupt},
		{"wrong size", new(stream).items(0, file("a", size+1)).frame(protocol.FramePack, pack(0, digest, content)), mft.CodeProtocol},
		{"attributes that the offer does not preserve", new(stream).items(0, mft.Item{Path: "a", Type: mft.ItemFile, Mode: 0o644, Extended: extended("1")}), mft.CodeProtocol},
		{"names of one file that the offer does not preserve", new(stream).items(0, file("a", 0), file("b", 0)).frame(protocol.FrameLinked, listing.AppendLinked(nil, &listing.Linked{First: "a", Others: []string{"b"}})), mft.CodeProtocol},
		{"attributes that are none", new(stream).items(0, mft.Item{Path: "a", Type: mft.ItemFile, Mode: 0o644, Extended: "x"}), mft.CodeProtocol},
		{"items out of turn", new(stream).items(5, file("a", size)), mft.CodeProtocol},
		{"data without file", new(stream).frame(protocol.FrameData, content), mft.CodeProtocol},
		{"hole without file", new(stream).frame(protocol.FrameHole, protocol.AppendHole(nil, 5)), mft.CodeProtocol},
		{"check without file", new(stream).frame(protocol.FrameCheck, digest[:]), mft.CodeProtocol},
		{"end without file", new(stream).frame(protocol.FrameFileEnd, end(1, digest)), mft.CodeProtocol},
		{"too much data", new(stream).items(0, file("a", 3)).frame(protocol.FrameFile, start(0, 0)).frame(protocol.FrameData, content).frame(protocol.FrameFileEnd, end(3, digest)), mft.CodeProtocol},
		{"too little data", new(stream).items(0, file("a", 300)).frame(protocol.FrameFile, start(0, 0)).frame(protocol.FrameData, content).frame(protocol.FrameFileEnd, end(300, digest)), mft.CodeProtocol},
		{"hole beyond the end", new(stream).items(0, file("a", 300)).frame(protocol.FrameFile, start(0, 0)).frame(protocol.FrameHole, protocol.AppendHole(nil, 1<<40)).frame(protocol.FrameFileEnd, end(300, digest)), mft.CodeProtocol},
		{"wrong check", new(stream).items(0, file("a", size)).frame(protocol.FrameFile, start(0, 0)).frame(protocol.FrameData, content).frame(protocol.FrameCheck, make([]byte, 32)).frame(protocol.FrameFileEnd, end(size, digest)), mft.CodeCorrupt},
		{"wrong digest of the whole", new(stream).items(0, file("a", size)).frame(protocol.FrameFile, start(0, 0)).frame(protocol.FrameData, content).frame(protocol.FrameFileEnd, end(size, mft.Digest{1})), mft.CodeCorrupt},
		{"resume that was not offered", new(stream).items(0, file("a", 1<<20)).frame(protocol.FrameFile, start(0, 5)), mft.CodeProtocol},
		{"file within a file", new(stream).items(0, file("a", size), file("b", size)).frame(protocol.FrameFile, start(0, 0)).frame(protocol.FrameFile, start(1, 0)), mft.CodeProtocol},
		{"seal of something else", new(stream).items(0, file("c", size)).frame(protocol.FramePack, pack(0, digest, content)).frame(protocol.FrameEnd, nil), mft.CodeCorrupt},
		{"end with content in it", new(stream).frame(protocol.FrameEnd, content), mft.CodeProtocol},
		{"end with content due", new(stream).items(0, file("a", size)).frame(protocol.FrameEnd, nil), mft.CodeProtocol},
		{"failure of nothing", new(stream).frame(protocol.FrameFileFail, protocol.AppendItemFail(nil, &protocol.ItemFail{Index: 9, Code: mft.CodeIO})), mft.CodeProtocol},
		{"a receiver's frame", new(stream).frame(protocol.FrameCommitted, protocol.AppendRange(nil, &protocol.Range{First: 0, Count: 1})), mft.CodeProtocol},
		{"unknown frame", new(stream).frame(99, nil), mft.CodeProtocol},
		{"the sender fails", new(stream).frame(protocol.FrameFail, protocol.AppendFailure(nil, &protocol.Failure{Code: mft.CodeChanged, Detail: "x"})), mft.CodeChanged},
		{"nothing", new(stream), mft.CodeDisconnected},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t)
			f.offer.Transfer = f.id
			err := receiveRaw(t, f, tt.stream.Bytes())
			if got := mft.CodeOf(err); got != tt.code {
				t.Errorf("Receive = %v, want %v", err, tt.code)
			}
			for name := range arrived(t, f.dst) {
				if name == "a" || name == "b" {
					t.Errorf("%s has appeared", name)
				}
			}
		})
	}
}

// TestHostileBasis: what is copied is of the size that was said, and from a
// parcel; else nothing appears.
func TestHostileBasis(t *testing.T) {
	const size = 1 << 20
	basis := func(index uint64, size int64) []byte {
		return patch.AppendBasis(nil, &patch.Basis{Index: index, Size: size})
	}
	begin := func(bases ...[]byte) *stream {
		newer := file("patched", size)
		newer.MTime = 7
		s := new(stream).items(0, newer, file("new", size))
		for _, b := range bases {
			s.frame(protocol.FrameBasis, b)
		}
		return s
	}
	starts := func(s *stream, index uint64) *stream {
		return s.frame(protocol.FrameFile, protocol.AppendFileStart(nil, &protocol.FileStart{Index: index}))
	}
	copies := func(s *stream, offset, length int64) *stream {
		return s.frame(protocol.FrameCopy, patch.AppendCopy(nil, &patch.Range{Offset: offset, Length: length}))
	}
	ends := func(s *stream, content []byte) *stream {
		return s.frame(protocol.FrameFileEnd, protocol.AppendFileEnd(nil, &protocol.FileEnd{Size: size, Digest: protocol.HashOf(content)}))
	}
	zeros := make([]byte, size)
	for _, tt := range []struct {
		name   string
		parcel bool
		stream *stream
		code   mft.Code
	}{
		{"over the link", false, ends(copies(starts(begin(basis(0, size)), 0), 0, size), zeros), mft.CodeProtocol},
		{"of nothing", true, begin(basis(7, size)), mft.CodeProtocol},
		{"twice", true, begin(basis(0, size), basis(0, size)), mft.CodeProtocol},
		{"within a file", true, starts(begin(), 0).frame(protocol.FrameBasis, basis(0, size)), mft.CodeProtocol},
		{"of another size", true, ends(copies(starts(begin(basis(0, size+1)), 0), 0, size), zeros), mft.CodeOutdated},
		{"of a file that is not there", true, ends(copies(starts(begin(basis(1, size)), 1), 0, size), zeros), mft.CodeOutdated},
		{"without", true, ends(copies(starts(begin(), 0), 0, size), zeros), mft.CodeOutdated},
		{"of another file", true, ends(copies(starts(begin(basis(0, size)), 1), 0, size), zeros), mft.CodeOutdated},
		{"beyond its end", true, ends(copies(starts(begin(basis(0, size)), 0), 1, size), zeros), mft.CodeProtocol},
		{"more than was announced", true, ends(copies(copies(starts(begin(basis(0, size)), 0), 0, size), 0, 1), zeros), mft.CodeProtocol},
		{"other content", true, ends(copies(starts(begin(basis(0, size)), 0), 0, size), zeros[1:]), mft.CodeOutdated},
		{"other content at a check", true, ends(copies(starts(begin(basis(0, size)), 0), 0, size).frame(protocol.FrameCheck, make([]byte, 32)), zeros), mft.CodeOutdated},
		{"other content, and nothing is copied", true, ends(starts(begin(basis(0, size)), 0).frame(protocol.FrameData, zeros), zeros[1:]), mft.CodeCorrupt},
		{"the right content", true, ends(copies(starts(begin(basis(0, size)), 0), 0, size), zeros), mft.CodeDisconnected},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t)
			f.offer.Transfer = f.id
			f.oldTree()
			seen := func() map[string]string {
				there := arrived(t, f.dst)
				maps.DeleteFunc(there, func(name, _ string) bool { return scan.IsStaging(strings.Split(name, "/")[0]) })
				return there
			}
			before := seen()
			if err := receiveRawFrom(t, f, tt.stream.Bytes(), tt.parcel); mft.CodeOf(err) != tt.code {
				t.Errorf("Receive = %v, want %v", err, tt.code)
			}
			if tt.code == mft.CodeDisconnected {
				return // what was verified may appear
			}
			if diff := cmp.Diff(before, seen()); diff != "" {
				t.Errorf("what is there (-before +after):\n%s", diff)
			}
		})
	}
}

// mirrors are conversations about a destination of which oldTree is all.
func mirrors() []*stream {
	gone := mft.Item{Path: "sub", Type: mft.ItemDir, Mode: 0o755}
	listed := func(s *stream, l listing.Listed) *stream {
		return s.frame(protocol.FrameListed, listing.AppendListed(nil, &l))
	}
	listings := func(all ...listing.Listing) (payload []byte) {
		for i := range all {
			payload = listing.Append(payload, &all[i])
		}
		return payload
	}
	top := listing.Listing{Entries: 2, Bytes: 1 << 20, Digest: [16]byte{1}}
	whole := listing.Listed{Count: 2, Whole: true}
	scanned := protocol.AppendScanned(nil, &protocol.Scanned{Items: 2})
	// "patched" was renamed, and everything in sub is gone.
	renamed := listed(new(stream).frame(protocol.FrameListings, listings(top)).items(0, gone, file("moved", 1<<20)), whole).
		frame(protocol.FrameWalked, nil).frame(protocol.FrameListings, listings(listing.Listing{Path: "sub", Digest: [16]byte{2}})).
		frame(protocol.FrameScanned, scanned).frame(protocol.FrameEnd, nil)
	// "sub" was renamed, as far as its listing can be known here.
	below := listing.Listing{Path: "other", Entries: 1, Bytes: 3, Digest: [16]byte{3}}
	directory := listed(new(stream).frame(protocol.FrameListings, listings(top, below)).
		items(0, file("patched", 1<<20), mft.Item{Path: "other", Type: mft.ItemDir, Mode: 0o755}), whole).
		frame(protocol.FrameWalked, nil).frame(protocol.FrameScanned, scanned).frame(protocol.FrameEnd, nil)
	// Nothing is left, or so it is said; some of it twice, out of turn, or elsewhere.
	nothing := listed(new(stream), listing.Listed{Whole: true}).frame(protocol.FrameWalked, nil).
		frame(protocol.FrameScanned, protocol.AppendScanned(nil, &protocol.Scanned{})).frame(protocol.FrameEnd, nil)
	twice := listed(listed(new(stream).items(0, file("patched", 1<<20)), listing.Listed{Count: 1, Whole: true}), listing.Listed{Count: 1, Whole: true, Kept: []string{"sub"}})
	early := listed(new(stream), listing.Listed{First: 7, Count: 7, Whole: true})
	outside := listed(new(stream), listing.Listed{Path: "../outside", Whole: true}).frame(protocol.FrameWalked, nil)
	told := new(stream).frame(protocol.FrameListings, listing.Append(nil, &listing.Listing{Path: "many", Entries: 9})).items(0, file("many/1", 7)).
		frame(protocol.FrameMatched, listing.AppendMatched(nil, &listing.Matched{Others: []int{0, 1, 2, 3, 4, 5, 6, 7, 8}}))
	listed(told, listing.Listed{Path: "many", Count: 1, Whole: true}).frame(protocol.FrameEnd, nil)
	return []*stream{told, renamed, directory, nothing, twice, early, outside}
}

// oldTree is what a destination has before somebody hostile comes.
func (f *fixture) oldTree() {
	f.t.Helper()
	f.old("patched", make([]byte, 1<<20))
	if err := os.MkdirAll(filepath.Join(f.dst, "sub"), 0o755); err != nil {
		f.t.Fatal(err)
	}
	f.old("sub/x", []byte("old"))
	if err := os.Mkdir(filepath.Join(f.dst, "many"), 0o755); err != nil {
		f.t.Fatal(err)
	}
	for i := range 9 {
		f.old(fmt.Sprintf("many/%d", i), []byte("old"))
	}
	if err := os.Chtimes(filepath.Join(f.dst, "patched"), time.Time{}, time.Unix(0, 0)); err != nil { // as file has it
		f.t.Fatal(err)
	}
}

// FuzzReceive: whatever a peer writes on a data connection, the receiver ends
// with an error, nothing appears outside of the landing, and nothing is to be
// removed, since nobody has sealed what is in the source.
func FuzzReceive(f *testing.F) {
	content := []byte("content")
	good := new(stream).items(0, file("a", int64(len(content))), mft.Item{Path: "d", Type: mft.ItemDir, Mode: 0o755},
		mft.Item{Path: "l", Type: mft.ItemSymlink, Target: "../../outside", Mode: 0o777}, file("l/x", 7)).
		frame(protocol.FramePack, protocol.AppendPackEntry(nil, 0, protocol.HashOf(content), content)).
		frame(protocol.FrameFile, protocol.AppendFileStart(nil, &protocol.FileStart{Index: 3})).
		frame(protocol.FrameData, content).
		frame(protocol.FrameFileEnd, protocol.AppendFileEnd(nil, &protocol.FileEnd{Size: 7, Digest: protocol.HashOf(content)})).
		frame(protocol.FrameEnd, nil)
	f.Add(false, good.Bytes())
	f.Add(false, new(stream).frame(protocol.FrameFail, protocol.AppendFailure(nil, &protocol.Failure{Code: "X"})).Bytes())
	f.Add(false, new(stream).items(0, file("patched", 1<<20)).
		frame(protocol.FrameFile, protocol.AppendFileStart(nil, &protocol.FileStart{})).
		frame(protocol.FrameAsk, patch.AppendAsk(nil, &patch.Ask{Range: patch.Range{Length: 5}})).
		frame(protocol.FrameCopy, patch.AppendCopy(nil, &patch.Range{Length: 1 << 20})).
		frame(protocol.FrameFileEnd, protocol.AppendFileEnd(nil, &protocol.FileEnd{Size: 1 << 20})).Bytes())
	f.Add(false, new(stream).zstd(f, protocol.FrameItems, protocol.AppendItems(nil, 0, []mft.Item{file("a", 7)})).
		zstd(f, protocol.FramePack, protocol.AppendPackEntry(nil, 0, protocol.HashOf(content), content)).frame(protocol.FrameEnd, nil).Bytes())
	for _, s := range mirrors() {
		f.Add(true, s.Bytes())
	}
	fx := newFixture(f)
	outside := filepath.Join(filepath.Dir(fx.dst), "outside")
	f.Fuzz(func(t *testing.T, mirrored bool, raw []byte) {
		fx.t = t
		fx.again()
		fx.offer.Transfer = fx.id
		fx.offer.Mirror = mft.Mirror{On: mirrored, MaxFiles: -1, MaxPercent: -1}
		fx.oldTree()
		if err := receiveRaw(t, fx, raw); err == nil || errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Receive = %v, want an error at once: what came was not sealed", err)
		}
		if _, err := os.Lstat(outside); err == nil {
			t.Error("something appeared outside")
		}
		if plan, removed, err := fx.journal.Removals(t.Context(), fx.id); len(plan) > 0 || removed > 0 || err != nil {
			t.Errorf("%+v is to be removed, and %d entries were: %v", plan, removed, err)
		}
		if err := fx.journal.Update(t.Context(), func(tx *journal.Tx) error {
			return tx.SetState(fx.id, mft.StateFailed, mft.Reason{Code: mft.CodeProtocol}, time.Now())
		}); err != nil {
			t.Error(err)
		}
		if err := recovery.Discard(t.Context(), ledger.Of(fx.journal, fx.id), fx.id); err != nil {
			t.Error(err)
		}
		if err := os.RemoveAll(fx.dst); err != nil {
			t.Error(err)
		}
		if err := os.Mkdir(fx.dst, 0o755); err != nil {
			t.Error(err)
		}
	})
}

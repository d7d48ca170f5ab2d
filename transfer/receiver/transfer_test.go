package receiver

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mft.dev/mft"
	"mft.dev/mft/journal"
	"mft.dev/mft/journal/ledger"
	"mft.dev/mft/protocol"
	"mft.dev/mft/transfer"
	"mft.dev/mft/transfer/scan"
	"mft.dev/mft/transfer/sender"
	"mft.dev/mft/transfer/staging/publish"
	"mft.dev/mft/transfer/staging/recovery"
)

// wantSame fails unless the two trees are equal.
func wantSame(t *testing.T, src, dst string) {
	t.Helper()
	if diff := cmp.Diff(arrived(t, src), arrived(t, dst)); diff != "" {
		t.Errorf("the destination differs from the source (-source +destination):\n%s", diff)
	}
}

func TestTreeArrivesWhole(t *testing.T) {
	f := newFixture(t)
	f.write("empty", nil, 0o644)
	f.write("one byte", []byte("x"), 0o600)
	f.write("deep/er/still/report.csv", randomBytes(1, 5000), 0o640)
	f.write("limit of small", randomBytes(2, transfer.SmallMax), 0o444)
	f.write("just big", randomBytes(3, transfer.SmallMax+1), 0o755)
	f.write("big", randomBytes(4, 40<<20+17), 0o644)
	f.write("new\nline", []byte("legal"), 0o644)
	f.write("\xff\xfe invalid utf8", []byte("legal"), 0o644)
	f.write(strings.Repeat("n", 255), []byte("long"), 0o644)
	for i := range 3000 {
		f.write(fmt.Sprintf("many/%04d", i), randomBytes(uint64(i), i%700), 0o644)
	}
	if err := os.Mkdir(filepath.Join(f.src, "empty dir"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("one byte", filepath.Join(f.src, "link")); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(f.src, "deep/er"), 0o555); err != nil {
		t.Fatal(err)
	}

	res := f.deliver()
	wantSame(t, f.src, f.dst)
	if res.received.Code != mft.CodeOK || res.received != res.sent {
		t.Errorf("receipts: received %+v, sent %+v", res.received, res.sent)
	}
	if got, want := res.sent.Received.Items, int64(len(arrived(t, f.src))); got != want {
		t.Errorf("receipt counts %d items, want %d", got, want)
	}
	tr, _, err := f.journal.Transfer(t.Context(), f.id)
	if err != nil || tr.State != mft.StateDelivered {
		t.Errorf("journal has state %q, %v; want delivered", tr.State, err)
	}
	stored, _, ok, err := f.journal.Receipt(t.Context(), f.id)
	if err != nil || !ok || stored != res.received {
		t.Errorf("journal has receipt %+v, %v, %v; want %+v", stored, ok, err, res.received)
	}
	total, moved := f.sent.Snapshot()
	if total != moved && moved.Bytes != total.Bytes {
		t.Errorf("sender's meter: total %v, moved %v", total, moved)
	}
}

func TestDestinationNames(t *testing.T) {
	tests := []struct {
		name    string
		source  string // below src; "" is the directory itself
		landing journal.Landing
		prepare string // directory made below dst before
		want    []string
	}{
		{"file into directory", "a.csv", journal.Landing{}, "", []string{"a.csv"}},
		{"file under new name", "a.csv", journal.Landing{Name: "b.csv"}, "", []string{"b.csv"}},
		{"file to a name that is a directory", "a.csv", journal.Landing{Name: "d"}, "d", []string{"d", "d/a.csv"}},
		{"file into a directory to be made", "a.csv", journal.Landing{Dir: "x/y"}, "", []string{"x", "x/y", "x/y/a.csv"}},
		{"directory with its name", "sub", journal.Landing{}, "", []string{"sub", "sub/c.csv"}},
		{"directory to a name", "sub", journal.Landing{Name: "n"}, "", []string{"n", "n/sub", "n/sub/c.csv"}},
		{"contents of a directory", "sub/", journal.Landing{Name: "n"}, "", []string{"n", "n/c.csv"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t)
			f.write("a.csv", []byte("a"), 0o644)
			f.write("sub/c.csv", []byte("c"), 0o644)
			if tt.prepare != "" {
				if err := os.Mkdir(filepath.Join(f.dst, tt.prepare), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			f.sources = []string{f.src + "/" + tt.source}
			f.landing = tt.landing
			f.landing.Root = f.dst
			s, err := scan.Open(f.sources[0])
			if err != nil {
				t.Fatal(err)
			}
			f.offer.Single = s.Single
			s.Close()
			f.deliver()
			got := slices.Sorted(maps.Keys(arrived(t, f.dst)))
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("names at the destination (-want +got):\n%s", diff)
			}
		})
	}
}

func TestOverwritePolicies(t *testing.T) {
	tests := []struct {
		policy mft.Overwrite
		code   mft.Code
		want   map[string]string
	}{
		{mft.OverwriteReplace, mft.CodeOK, map[string]string{"a": "new", "b": "new b"}},
		{mft.OverwriteNever, mft.CodePartial, map[string]string{"a": "old", "b": "new b"}},
		{mft.OverwriteVersion, mft.CodeOK, map[string]string{"a": "new", "a.~1~": "old", "b": "new b"}},
	}
	for _, tt := range tests {
		t.Run(string(tt.policy), func(t *testing.T) {
			f := newFixture(t)
			f.write("a", []byte("new"), 0o644)
			f.write("b", []byte("new b"), 0o644)
			if err := os.WriteFile(filepath.Join(f.dst, "a"), []byte("old"), 0o644); err != nil {
				t.Fatal(err)
			}
			f.offer.Overwrite = tt.policy
			res := f.deliver()
			if res.sent.Code != tt.code {
				t.Errorf("receipt has code %v, want %v", res.sent.Code, tt.code)
			}
			got := map[string]string{}
			for name := range arrived(t, f.dst) {
				b, _ := os.ReadFile(filepath.Join(f.dst, name))
				got[name] = string(b)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("destination (-want +got):\n%s", diff)
			}
		})
	}
}

func TestOnlyItemRefusedGivesItsCode(t *testing.T) {
	f := newFixture(t)
	f.write("a", []byte("new"), 0o644)
	if err := os.WriteFile(filepath.Join(f.dst, "a"), []byte("old"), 0o644); err != nil {
		t.Fatal(err)
	}
	f.offer.Overwrite = mft.OverwriteNever
	if res := f.deliver(); res.sent.Code != mft.CodeExists || res.sent.Failed != 1 {
		t.Errorf("receipt = %+v, want code %v and 1 failed", res.sent, mft.CodeExists)
	}
}

func TestWrongTypeAtDestination(t *testing.T) {
	f := newFixture(t)
	f.write("file", []byte("x"), 0o644)
	f.write("dir/inner", []byte("y"), 0o644)
	f.write("other", []byte("z"), 0o644)
	if err := os.MkdirAll(filepath.Join(f.dst, "file/full"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(f.dst, "dir"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	res := f.deliver()
	if res.sent.Code != mft.CodePartial || res.sent.Failed != 3 || res.sent.Received.Items != 1 {
		t.Errorf("receipt = %+v, want PARTIAL with 1 received (other) and 3 failed (file, dir, dir/inner)", res.sent)
	}
}

// cutter is a connection that breaks after it has written so many bytes.
type cutter struct {
	net.Conn
	left *atomic.Int64
}

func (c cutter) Write(b []byte) (int, error) {
	if c.left.Add(-int64(len(b))) < 0 {
		c.Conn.Close()
		return 0, net.ErrClosed
	}
	return c.Conn.Write(b)
}

// parting is a connection that ends after it has written so many bytes, and all of
// them arrive: who writes learns of the end when who reads has given up.
// A connection that is cut may lose what is on its way, and with it
// everything behind the last CHECK that was read; how much that is depends on how far
// the reader is behind.
type parting struct {
	net.Conn
	left *atomic.Int64
	over <-chan struct{}
}

func (c parting) Write(b []byte) (int, error) {
	if c.left.Add(-int64(len(b))) < 0 {
		if err := c.Conn.(*net.TCPConn).CloseWrite(); err == nil {
			<-c.over
		}
		c.Conn.Close()
		return 0, net.ErrClosed
	}
	return c.Conn.Write(b)
}

func TestResumesAfterEveryCut(t *testing.T) {
	f := newFixture(t)
	// There is a check every 16 MiB: each attempt gets beyond one or two.
	const size, cut = 96 << 20, 24 << 20
	f.write("big", randomBytes(7, size), 0o644)
	f.write("z small", []byte("small"), 0o600)
	var left atomic.Int64
	var written atomic.Int64
	f.wrap = func(c net.Conn) net.Conn { return counter{parting{c, &left, f.over}, &written} }
	attempts := 0
	for left.Store(cut); ; left.Store(cut) {
		attempts++
		res := f.attempt(t.Context())
		if res.sendErr == nil {
			break
		}
		if code := mft.CodeOf(res.sendErr); !code.Retryable() {
			t.Fatalf("attempt %d: %v is not retryable", attempts, res.sendErr)
		}
		if attempts > 12 {
			t.Fatalf("no end in sight after %d attempts: %v / %v", attempts, res.sendErr, res.receiveErr)
		}
	}
	wantSame(t, f.src, f.dst)
	if attempts < 3 {
		t.Errorf("it took %d attempts: the cuts did not happen", attempts)
	}
	// Each cut may repeat at most what came after the last check.
	if most := int64(size) + int64(attempts)*((16<<20)+4<<20); written.Load() > most {
		t.Errorf("%d bytes were written for 96 MiB in %d attempts, want at most %d", written.Load(), attempts, most)
	}
}

type counter struct {
	net.Conn
	n *atomic.Int64
}

func (c counter) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.n.Add(int64(n))
	return n, err
}

func TestResumeDoesNotTrustWhatLies(t *testing.T) {
	f := newFixture(t)
	f.write("big", randomBytes(8, 32<<20), 0o644)
	var left atomic.Int64
	f.wrap = func(c net.Conn) net.Conn { return cutter{c, &left} }
	left.Store(24 << 20)
	if res := f.attempt(t.Context()); res.sendErr == nil {
		t.Fatal("the cut did not happen")
	}
	// Somebody damages what was staged, without changing its length.
	staged := filepath.Join(f.dst, publish.Staging(f.id))
	names, err := os.ReadDir(staged)
	if err != nil || len(names) != 1 {
		t.Fatalf("staging holds %v, %v; want one partial file", names, err)
	}
	w, err := os.OpenFile(filepath.Join(staged, names[0].Name()), os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.WriteAt([]byte("damage"), 5<<20); err != nil {
		t.Fatal(err)
	}
	w.Close()
	left.Store(1 << 40)
	f.deliver()
	wantSame(t, f.src, f.dst)
}

func TestDeliveredOnceAlsoWhenTakenAway(t *testing.T) {
	f := newFixture(t)
	for i := range 5000 {
		f.write(fmt.Sprintf("%04d", i), randomBytes(uint64(i), 3000), 0o644)
	}
	taken := filepath.Join(t.TempDir(), "taken")
	if err := os.Mkdir(taken, 0o755); err != nil {
		t.Fatal(err)
	}
	var left atomic.Int64
	f.wrap = func(c net.Conn) net.Conn { return cutter{c, &left} }
	appeared := map[string]int{}
	take := func() {
		for name := range arrived(t, f.dst) {
			if !scan.IsStaging(strings.Split(name, "/")[0]) {
				appeared[name]++
				if err := os.Rename(filepath.Join(f.dst, name), filepath.Join(taken, name)); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	attempts := 0
	for left.Store(7 << 20); ; left.Store(7 << 20) {
		attempts++
		res := f.attempt(t.Context())
		take()
		if res.sendErr == nil {
			if got := res.sent.Received.Items; got != 5000 {
				t.Errorf("the receipt counts %d items, want 5000", got)
			}
			break
		}
		if attempts > 20 {
			t.Fatalf("no end in sight: %v / %v", res.sendErr, res.receiveErr)
		}
	}
	for name, n := range appeared {
		if n != 1 {
			t.Errorf("%s appeared %d times", name, n)
		}
	}
	wantSame(t, f.src, taken)
	if attempts < 2 {
		t.Error("the cut did not happen")
	}
}

func TestChangingFileIsNeverAMixture(t *testing.T) {
	f := newFixture(t)
	p := filepath.Join(f.src, "generations")
	generation := func(n byte) []byte {
		b := make([]byte, 2<<20)
		for i := range b {
			b[i] = n
		}
		return b
	}
	if err := os.WriteFile(p, generation(0), 0o644); err != nil {
		t.Fatal(err)
	}
	var n byte
	var changed atomic.Int64
	f.wrap = func(c net.Conn) net.Conn {
		return onWrite{c, func() {
			if changed.Add(1)%3 == 2 && changed.Load() < 9 { // in the middle of content
				n++
				if err := os.WriteFile(p, generation(n), 0o644); err != nil {
					t.Error(err)
				}
			}
		}}
	}
	for range 10 {
		res := f.attempt(t.Context())
		if res.sendErr == nil {
			break
		}
		if mft.CodeOf(res.sendErr) != mft.CodeChanged {
			t.Fatalf("attempt: %v", res.sendErr)
		}
	}
	got, err := os.ReadFile(filepath.Join(f.dst, "generations"))
	if err != nil {
		t.Fatal(err)
	}
	if protocol.HashOf(got) != protocol.HashOf(generation(got[0])) {
		t.Error("the file that arrived is a mixture of generations")
	}
	if n == 0 {
		t.Error("the file never changed: the test tested nothing")
	}
}

// onWrite calls f before every write of the sender.
type onWrite struct {
	net.Conn
	f func()
}

func (c onWrite) Write(b []byte) (int, error) {
	c.f()
	return c.Conn.Write(b)
}

func TestNeverSettlingFileFailsOnLastTry(t *testing.T) {
	f := newFixture(t)
	f.write("calm", []byte("calm"), 0o644)
	p := filepath.Join(f.src, "restless")
	if err := os.WriteFile(p, randomBytes(1, transfer.SmallMax+5), 0o644); err != nil {
		t.Fatal(err)
	}
	f.wrap = func(c net.Conn) net.Conn {
		return onWrite{c, func() {
			w, err := os.OpenFile(p, os.O_WRONLY|os.O_APPEND, 0)
			if err == nil {
				_, err = w.Write([]byte("more"))
				w.Close()
			}
			if err != nil {
				t.Error(err)
			}
		}}
	}
	res := f.attempt(t.Context())
	if got := mft.CodeOf(res.sendErr); got != mft.CodeChanged {
		t.Errorf("first try: %v, want %v", res.sendErr, mft.CodeChanged)
	}
	f.lastTry = true
	res = f.deliver()
	if res.sent.Code != mft.CodePartial || res.sent.Failed != 1 {
		t.Errorf("last try: receipt %+v, want PARTIAL with 1 failed", res.sent)
	}
	if _, err := os.Stat(filepath.Join(f.dst, "restless")); err == nil {
		t.Error("a file that never settled was delivered")
	}
}

func TestNoSpaceIsToldBeforeAnythingMoves(t *testing.T) {
	f := newFixture(t)
	f.write("a", []byte("a"), 0o644)
	f.offer.Announced.Bytes = 1 << 60
	res := f.attempt(t.Context())
	if got := mft.CodeOf(res.sendErr); got != mft.CodeNoSpace {
		t.Errorf("Send = %v, want %v", res.sendErr, mft.CodeNoSpace)
	}
	if got := arrived(t, f.dst); len(got) != 0 {
		t.Errorf("the destination has %v", got)
	}
}

func TestRedeliver(t *testing.T) {
	f := newFixture(t)
	f.write("a", []byte("a"), 0o644)
	want := f.deliver().received
	a, b, cut := converse(t, f.id, nil)
	defer cut()
	go func() {
		if _, err := b.Receive(t.Context()); err == nil {
			_ = Redeliver(t.Context(), b, want)
		}
	}()
	got, _, err := sender.Run(t.Context(), a, sender.Outgoing{Offer: f.offer, Meter: &f.sent, Note: f.note})
	if err != nil {
		t.Fatal(err)
	}
	if got != want {
		t.Errorf("Send = %+v, want the stored receipt %+v", got, want)
	}
}

// The sender takes no receipt for its own but the one for this transfer and
// for what it has sent, and hands out what was signed as it came.
func TestReceiptOfSomethingElse(t *testing.T) {
	for _, tt := range []struct {
		name  string
		forge func(*mft.Receipt)
		code  mft.Code
	}{
		{"its own", func(*mft.Receipt) {}, mft.CodeOK},
		{"of another transfer", func(r *mft.Receipt) { r.Transfer[0]++ }, mft.CodeProtocol},
		{"of another manifest", func(r *mft.Receipt) { r.Manifest[0]++ }, mft.CodeCorrupt},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t)
			f.write("a", []byte("a"), 0o644)
			f.forge = func(e *protocol.Envelope) {
				r, err := e.Receipt()
				if err != nil {
					return // the decision
				}
				tt.forge(&r)
				e.Transfer, e.Body = r.Transfer, protocol.AppendReceipt(nil, &r)
			}
			res := f.attempt(t.Context())
			if got := mft.CodeOf(res.sendErr); got != tt.code {
				t.Fatalf("Run = %v, want %v", res.sendErr, tt.code)
			}
			if tt.code != mft.CodeOK {
				if res.sent != (mft.Receipt{}) || res.signed != nil {
					t.Errorf("Run = %+v, %+v, want nothing", res.sent, res.signed)
				}
				return
			}
			if got, err := res.signed.Receipt(); err != nil || got != res.sent || got != res.received {
				t.Errorf("what was signed says %+v, %v, want %+v", got, err, res.received)
			}
		})
	}
}

// When one end cannot open the data connection, the other does not wait for it.
func TestUndialledDataConnectionEndsBoth(t *testing.T) {
	for _, end := range []string{"sender", "receiver"} {
		t.Run(end, func(t *testing.T) {
			f := newFixture(t)
			f.write("a", []byte("a"), 0o644)
			f.undialed = end
			res := f.attempt(t.Context())
			for who, err := range map[string]error{"sender": res.sendErr, "receiver": res.receiveErr} {
				if got := mft.CodeOf(err); got != mft.CodeUnreachable {
					t.Errorf("the %s ends with %v, want %v", who, err, mft.CodeUnreachable)
				}
			}
			f.undialed = ""
			f.deliver()
		})
	}
}

// An end that is stopped while the other waits for it says so, and gives no
// reason for which the transfer would end.
func TestInterruptedEndIsNotWaitedFor(t *testing.T) {
	t.Run("receiver", func(t *testing.T) {
		f := newFixture(t)
		f.write("a", []byte("a"), 0o644)
		f.accept()
		f.offer.Transfer = f.id
		a, b, cut := converse(t, f.id, nil)
		defer cut()
		ctx, stop := context.WithCancelCause(t.Context())
		stop(errors.New("an operator paused the transfer"))
		if _, err := Run(ctx, b, Incoming{Offer: f.offer, Landing: f.landing, Ledger: ledger.Of(f.journal, f.id), Meter: &f.received, Note: f.note}); err == nil {
			t.Error("Run of the receiver: nil, want an error")
		}
		_, _, err := sender.Run(t.Context(), a, sender.Outgoing{Offer: f.offer, Meter: &f.sent, Note: f.note})
		if got := mft.CodeOf(err); got != mft.CodeDisconnected {
			t.Errorf("Run of the sender: %v, want %v", err, mft.CodeDisconnected)
		}
	})
	t.Run("sender", func(t *testing.T) {
		f := newFixture(t)
		f.accept()
		f.offer.Transfer = f.id
		a, b, cut := converse(t, f.id, nil)
		defer cut()
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() {
			_, _, err := sender.Run(ctx, a, sender.Outgoing{Offer: f.offer, Meter: &f.sent, Note: f.note})
			ended <- err
		}()
		if _, err := b.Receive(t.Context()); err != nil { // the offer
			t.Fatal(err)
		}
		stop()
		if err := <-ended; err == nil {
			t.Error("Run of the sender: nil, want an error")
		}
		_, err := Run(t.Context(), b, Incoming{Offer: f.offer, Landing: f.landing, Ledger: ledger.Of(f.journal, f.id), Meter: &f.received, Note: f.note})
		if got := mft.CodeOf(err); got != mft.CodeDisconnected {
			t.Errorf("Run of the receiver: %v, want %v", err, mft.CodeDisconnected)
		}
	})
}

func TestDiscardLeavesNothing(t *testing.T) {
	f := newFixture(t)
	f.write("big", randomBytes(9, 100<<20), 0o644)
	var left atomic.Int64
	left.Store(50 << 20)
	f.wrap = func(c net.Conn) net.Conn { return cutter{c, &left} }
	if res := f.attempt(t.Context()); res.sendErr == nil {
		t.Fatal("the cut did not happen")
	}
	if len(arrived(t, f.dst)) == 0 {
		t.Fatal("nothing was staged")
	}
	for range 2 { // idempotent
		if err := recovery.Discard(t.Context(), ledger.Of(f.journal, f.id), f.id); err != nil {
			t.Fatal(err)
		}
	}
	if got := arrived(t, f.dst); len(got) != 0 {
		t.Errorf("after Discard the destination has %v", got)
	}
}

func TestSymlinkAtTheDestinationIsNotFollowed(t *testing.T) {
	f := newFixture(t)
	f.write("d/secret", []byte("x"), 0o644)
	outside := t.TempDir()
	if err := os.Symlink(outside, filepath.Join(f.dst, "d")); err != nil {
		t.Fatal(err)
	}
	res := f.deliver()
	if res.sent.Failed != 2 {
		t.Errorf("receipt = %+v, want both items failed", res.sent)
	}
	if got := arrived(t, outside); len(got) != 0 {
		t.Errorf("the link was followed: %v", got)
	}
}

func TestSetIDIsStripped(t *testing.T) {
	for _, allow := range []bool{false, true} {
		t.Run(fmt.Sprint(allow), func(t *testing.T) {
			f := newFixture(t)
			f.landing.AllowRootSetID = true // the test may be run by root
			f.write("tool", []byte("x"), 0o755)
			if err := os.Chmod(filepath.Join(f.src, "tool"), 0o755|os.ModeSetuid); err != nil {
				t.Fatal(err)
			}
			f.landing.AllowSetID = allow
			f.deliver()
			fi, err := os.Stat(filepath.Join(f.dst, "tool"))
			if err != nil {
				t.Fatal(err)
			}
			if got := fi.Mode()&os.ModeSetuid != 0; got != allow {
				t.Errorf("setuid = %v, want %v", got, allow)
			}
		})
	}
}

func TestManyItemsDoNotOutgrowTheWindow(t *testing.T) {
	if testing.Short() {
		t.Skip("20,000 files")
	}
	f := newFixture(t)
	for i := range 20_000 {
		dir := filepath.Join(f.src, fmt.Sprint(i/1000))
		if i%1000 == 0 {
			if err := os.Mkdir(dir, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprint(i)), []byte(fmt.Sprint(i)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	res := f.deliver()
	if res.sent.Received.Items != 20_020 {
		t.Errorf("receipt = %+v, want 20020 items", res.sent)
	}
}

package exchangetest

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/exchange"
)

var readerTests = []test{
	{"any range", anyRange},
	{"a grant ends", grantEnds},
	{"how long a grant lasts", grantLife},
	{"refs that were altered", alteredRefs},
	{"refs to elsewhere", foreignRefs},
	{"at the same time", readConcurrent},
}

func anyRange(s *suite) {
	size := s.block()
	whole := s.publish(s.A, "object", 1, 3*size+5)
	ref := s.grant(s.A, "object")
	for _, c := range []struct{ from, n int }{
		{0, 1},
		{0, size},
		{1, size},
		{size - 1, 2},
		{size, size},
		{size - 3, 2*size + 6},
		{3 * size, 5},
		{len(whole) - 1, 1},
		{0, len(whole)},
	} {
		p := make([]byte, c.n)
		s.ok(s.B.Reader.Read(s.ctx, ref, int64(c.from), p), "Read(%d, %d bytes)", c.from, c.n)
		if !bytes.Equal(p, whole[c.from:c.from+c.n]) {
			s.Errorf("Read(%d, %d bytes) returned other content", c.from, c.n)
		}
	}
	for _, c := range []struct {
		from int64
		n    int
	}{{int64(len(whole)), 1}, {int64(len(whole)) - 1, 2}, {0, len(whole) + 1}, {1 << 40, 1}, {int64(3*size + 4), size}} {
		s.fails(s.B.Reader.Read(s.ctx, ref, c.from, make([]byte, c.n)), only(mft.CodeNotFound), "Read(%d, %d bytes) of %d", c.from, c.n, len(whole))
	}
	s.refused(s.B.Reader.Read(s.ctx, ref, -1, make([]byte, 1)), "Read before the beginning")
}

func grantEnds(s *suite) {
	whole := s.publish(s.A, "object", 1, 100)
	short, err := s.A.Container.Grant(s.ctx, "object", s.Life)
	s.ok(err, "Grant")
	s.holds(s.B.Reader, short.Ref, whole)
	s.Elapse(s.Life + s.Life/2)
	err = s.B.Reader.Read(s.ctx, short.Ref, 0, make([]byte, 1))
	s.fails(err, only(mft.CodeExpired), "Read after the end of the grant")
	if err != nil && strings.Contains(err.Error(), short.Ref) {
		s.Error("the error tells the secret of the grant")
	}
	s.holds(s.B.Reader, s.grant(s.A, "object"), whole)
}

func grantLife(s *suite) {
	whole := s.publish(s.A, "object", 1, 100)
	var refs []string
	for _, life := range []time.Duration{time.Minute, exchange.MaxGrant, 24 * time.Hour} {
		g, err := s.A.Container.Grant(s.ctx, "object", life)
		s.ok(err, "Grant for %v", life)
		// The clocks of this host and of the storage may differ somewhat.
		const skew = 5 * time.Minute
		if d := time.Until(g.Until); d > min(life, exchange.MaxGrant)+skew || d < min(life, exchange.MaxGrant)-skew {
			s.Errorf("Grant for %v lasts %v", life, d)
		}
		if len(g.Ref) == 0 || len(g.Ref) > exchange.MaxRef {
			s.Errorf("Grant returned a ref of %d bytes, want 1 to %d", len(g.Ref), exchange.MaxRef)
		}
		refs = append(refs, g.Ref)
	}
	for _, life := range []time.Duration{0, -time.Second} {
		_, err := s.A.Container.Grant(s.ctx, "object", life)
		s.fails(err, only(mft.CodeUsage), "Grant for %v", life)
	}
	for _, ref := range refs { // several are good at once
		s.holds(s.B.Reader, ref, whole)
	}
}

// alteredRefs changes refs. What is not refused is another way to write the
// same: it reads what was granted.
func alteredRefs(s *suite) {
	whole := s.publish(s.A, "object-1", 1, 64)
	s.publish(s.A, "object-2", 2, 64)
	s.publish(s.B, "object-1", 3, 64)
	ref := s.grant(s.A, "object-1")
	tried, refused := 0, 0
	try := func(what, altered string) {
		if altered == ref {
			return
		}
		tried++
		p := make([]byte, len(whole))
		switch err := s.B.Reader.Read(s.ctx, altered, 0, p); {
		case err != nil:
			refused++
			s.refused(err, "Read by a ref with %s", what)
		case !bytes.Equal(p, whole):
			s.Errorf("a ref with %s reads something else", what)
		}
	}
	for i := range min(len(ref), 400) {
		for _, flip := range []byte{1, 2} {
			b := []byte(ref)
			b[i] ^= flip
			try("a byte changed", string(b))
		}
	}
	if refused < tried/2 {
		s.Errorf("of %d altered refs %d were refused", tried, refused)
	}
	for what, altered := range map[string]string{
		"the name of another object": strings.ReplaceAll(ref, "object-1", "object-2"),
		"the name of another agent":  strings.ReplaceAll(ref, string(s.NameA), string(s.NameB)),
		"its end cut off":            ref[:len(ref)-1],
		"its half cut off":           ref[:len(ref)/2],
	} {
		before := refused
		if try(what, altered); altered != ref && refused == before {
			s.Errorf("a ref with %s is good", what)
		}
	}
	try("more behind it", ref+"x")
	try("a way up", ref+"/../object-2")
	try("a way up and back", strings.Replace(ref, "object-1", "object-2/../object-1", 1))
}

func foreignRefs(s *suite) {
	var asked atomic.Int64
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	defer elsewhere.Close()
	s.publish(s.A, "object", 1, 64)
	ref := s.grant(s.A, "object")
	address := strings.TrimPrefix(elsewhere.URL, "http://")
	for _, foreign := range []string{
		"", " ", "/", "..", "../outside", "../../../outside/secret", "/outside/secret", "object", string(s.NameA), string(s.NameA) + "/..",
		string(s.NameA) + "/object", "file:outside", elsewhere.URL + "/" + string(s.NameA) + "/object", elsewhere.URL + "/?" + ref, "//" + address + "/x",
		"nats://" + address, address, "\x00", "a\nb", "\xff\xfe", "%2e%2e/outside", `..\outside`, `\\` + address + `\share`,
		strings.Repeat("a", exchange.MaxRef), strings.Repeat("a", exchange.MaxRef+1), strings.Repeat("a/", exchange.MaxRef/2), strings.Repeat("../", 600),
	} {
		s.refused(s.B.Reader.Read(s.ctx, foreign, 0, make([]byte, 1)), "Read(%.40q)", foreign)
	}
	if n := asked.Load(); n != 0 {
		s.Errorf("a ref had another server asked %d times", n)
	}
}

func readConcurrent(s *suite) {
	size := s.block()
	whole := s.publish(s.A, "object", 1, 8*size)
	ref := s.grant(s.A, "object")
	var group sync.WaitGroup
	for i := range 8 {
		for _, r := range []exchange.Reader{s.B.Reader, s.Twin.Reader} {
			group.Go(func() {
				p := make([]byte, size)
				err := r.Read(s.ctx, ref, int64(i*size), p)
				if err != nil || !bytes.Equal(p, whole[i*size:(i+1)*size]) {
					s.Errorf("Read of block %d: %v, or other content", i, err)
				}
			})
		}
	}
	group.Wait()
}

var contextTests = []test{
	{"a done context", doneContext},
	{"waiting for letters ends with the context", waitingEnds},
}

func doneContext(s *suite) {
	s.publish(s.A, "object", 1, 64)
	ref := s.grant(s.A, "object")
	s.put(s.A, s.NameA, "x")
	letter := s.take(s.A, 1, long)[0]
	why := errors.New("enough")
	ctx, cancel := context.WithCancelCause(s.ctx)
	cancel(why)
	for what, call := range map[string]func() error{
		"Put":     func() error { return s.A.Queue.Put(ctx, s.NameB, []byte("x")) },
		"Take":    func() error { _, err := s.A.Queue.Take(ctx, 1, long); return err },
		"Renew":   func() error { return s.A.Queue.Renew(ctx, &letter, long) },
		"Remove":  func() error { return s.A.Queue.Remove(ctx, &letter) },
		"Stage":   func() error { return s.A.Container.Stage(ctx, "other", 0, []byte("x")) },
		"Publish": func() error { return s.A.Container.Publish(ctx, "object", 1) },
		"Grant":   func() error { _, err := s.A.Container.Grant(ctx, "object", long); return err },
		"remove":  func() error { return s.A.Container.Remove(ctx, "object") },
		"List":    func() error { return s.A.Container.List(ctx, func(exchange.Object) bool { return true }) },
		"Read":    func() error { return s.B.Reader.Read(ctx, ref, 0, make([]byte, 1)) },
		"publish": func() error { return s.A.Keys.Publish(ctx, "id", []byte("x")) },
		"Keys":    func() error { _, err := s.A.Keys.Statements(ctx, s.NameA); return err },
	} {
		// Grant may be pure arithmetic, and ask nobody.
		if err := call(); err == nil && what != "Grant" || err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, why) {
			s.Errorf("%s with a context that is done: error %v, want one that says so", what, err)
		}
	}
	s.holds(s.B.Reader, ref, content(1, 64))
	s.nothing(s.B, "after what was cancelled")
	s.remove(s.A, letter)
}

// waitingEnds would not end if Take did not.
func waitingEnds(s *suite) {
	ctx, cancel := context.WithCancel(s.ctx)
	var group sync.WaitGroup
	group.Go(func() {
		for {
			letters, err := s.B.Queue.Take(ctx, 1, long)
			if err != nil {
				if !errors.Is(err, context.Canceled) {
					s.Errorf("Take that was cancelled: %v", err)
				}
				return
			}
			if len(letters) != 0 {
				s.Error("Take returned letters of an empty queue")
				return
			}
		}
	})
	cancel()
	group.Wait()
}

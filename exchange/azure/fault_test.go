package azure

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/exchange"
)

// A harm is what the proxy does to a request that matches.
type harm int

const (
	none     harm = iota
	internal      // 500, not done
	busy          // 503, not done
	lost          // done, and the connection breaks before the answer
	cut           // done, and the body of the answer breaks off in its middle
	silent        // not done, no answer until the client goes away
)

// A proxy stands before Azurite and does harm to it.
type proxy struct {
	server *httptest.Server

	mu    sync.Mutex
	match func(*http.Request) bool
	does  harm
	times int // how many more requests, below 0 without end
	seen  int // how many matched

	silence chan struct{} // one for each request that gets no answer
}

// newProxy makes a proxy for one service.
func newProxy(t *testing.T, behind string) *proxy {
	p := &proxy{silence: make(chan struct{}, 100)}
	real := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: behind})
	p.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { p.serve(real, w, r) }))
	t.Cleanup(p.server.Close)
	return p
}

func (p *proxy) address() string { return strings.TrimPrefix(p.server.URL, "http://") }

// harm does harm to so many requests that match from now on.
func (p *proxy) harm(does harm, times int, match func(*http.Request) bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.match, p.does, p.times, p.seen = match, does, times, 0
}

func (p *proxy) matched() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.seen
}

func (p *proxy) next(r *http.Request) harm {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.match == nil || !p.match(r) {
		return none
	}
	p.seen++
	if p.times == 0 {
		return none
	}
	p.times--
	return p.does
}

func (p *proxy) serve(real http.Handler, w http.ResponseWriter, r *http.Request) {
	does := p.next(r)
	switch does {
	case none:
		real.ServeHTTP(w, r)
	case internal, busy:
		status := map[harm]int{internal: http.StatusInternalServerError, busy: http.StatusServiceUnavailable}[does]
		w.Header().Set("x-ms-error-code", map[harm]string{internal: "InternalError", busy: "ServerBusy"}[does])
		w.WriteHeader(status)
	case silent:
		_, _ = io.Copy(io.Discard, r.Body) // else the end of the client is not seen
		p.silence <- struct{}{}
		<-r.Context().Done()
	default:
		answer := httptest.NewRecorder()
		real.ServeHTTP(answer, r)
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			panic(err)
		}
		defer conn.Close()
		if does == cut {
			body := answer.Body.Bytes()
			answer.Body = bytes.NewBuffer(body[:len(body)/2])
			result := answer.Result()
			result.ContentLength = int64(len(body))
			_ = result.Write(conn)
			return // a plain end, or the client would not see what there was
		}
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0)
		}
	}
}

// newHarmed makes an agent whose requests go through proxies.
func newHarmed(t *testing.T) (s *Storage, blobs, queues *proxy) {
	t.Helper()
	a := emulator(t)
	blobs, queues = newProxy(t, a.blobs), newProxy(t, a.queues)
	s = open(t, azurite{blobs.address(), queues.address()}.config(fresh("harmed")))
	setUp(t, s)
	return s, blobs, queues
}

func request(method, part string) func(*http.Request) bool {
	return func(r *http.Request) bool { return r.Method == method && strings.Contains(r.URL.RequestURI(), part) }
}

// TestPassingFaults does one harm to each step. All of them succeed, and what
// they do is done once.
func TestPassingFaults(t *testing.T) {
	emulator(t)
	for name, does := range map[string]harm{"500": internal, "503": busy, "answer lost": lost} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, blobs, queues := newHarmed(t)
			x, ctx := s.Exchange(), patient(t)
			check := func(step string, p *proxy, err error) {
				t.Helper()
				if err != nil {
					t.Fatalf("%s: %v", step, err)
				}
				if p.matched() < 2 {
					t.Errorf("%s: %d requests matched, want the harmed one and another", step, p.matched())
				}
				p.harm(none, 0, nil)
			}
			whole := bytes.Repeat([]byte("content "), 100)

			blobs.harm(does, 1, request("PUT", "blockid="))
			check("Stage", blobs, x.Container.Stage(ctx, "object", 0, whole[:500]))
			if err := x.Container.Stage(ctx, "object", 1, whole[500:]); err != nil {
				t.Fatal(err)
			}
			blobs.harm(does, 1, request("PUT", "comp=blocklist"))
			check("Publish", blobs, x.Container.Publish(ctx, "object", 2))

			grant, err := x.Container.Grant(ctx, "object", exchange.MaxGrant)
			if err != nil {
				t.Fatal(err)
			}
			got := make([]byte, len(whole))
			blobs.harm(does, 1, request("GET", "/object?"))
			check("Read", blobs, x.Reader.Read(ctx, grant.Ref, 0, got))
			if !bytes.Equal(got, whole) {
				t.Error("Read returned other content")
			}

			queues.harm(does, 1, request("POST", "/messages"))
			check("Put", queues, x.Queue.Put(ctx, s.agent, []byte("letter")))
			queues.harm(internal, 1, request("GET", "/messages")) // a lost answer hides letters for their lease
			letters, err := x.Queue.Take(ctx, 1, time.Minute)
			check("Take", queues, err)
			if len(letters) != 1 {
				t.Fatalf("took %d letters, want one", len(letters))
			}
			queues.harm(does, 1, request("DELETE", "/messages/"))
			check("Remove of a letter", queues, x.Queue.Remove(ctx, &letters[0]))

			blobs.harm(does, 1, request("DELETE", "/object"))
			check("Remove of an object", blobs, x.Container.Remove(ctx, "object"))
			blobs.harm(does, 1, request("PUT", "publickeys"))
			check("Publish of a statement", blobs, x.Keys.Publish(ctx, "key", []byte("statement")))
		})
	}
}

// TestLostRenewal loses the answer of a renewal, and with it the only claim
// that is good: the letter is then another's.
func TestLostRenewal(t *testing.T) {
	s, _, queues := newHarmed(t)
	x, ctx := s.Exchange(), patient(t)
	if err := x.Queue.Put(ctx, s.agent, []byte("letter")); err != nil {
		t.Fatal(err)
	}
	letters, err := x.Queue.Take(ctx, 1, time.Minute)
	if err != nil || len(letters) != 1 {
		t.Fatalf("Take: %d letters, %v", len(letters), err)
	}
	l, before := letters[0], letters[0].Claim
	queues.harm(lost, 1, request("PUT", "/messages/"))
	if err := x.Queue.Renew(ctx, &l, time.Minute); mft.CodeOf(err) != mft.CodeNotFound || l.Claim != before {
		t.Errorf("Renew, done and its answer lost: %v, claim changed: %v; want NOT_FOUND and the old claim", err, l.Claim != before)
	}
}

// TestStanding has faults that do not pass: each call ends, with the code that
// lets the caller try again.
func TestStanding(t *testing.T) {
	emulator(t)
	for name, c := range map[string]struct {
		does harm
		want mft.Code
	}{
		"500": {internal, mft.CodeUnreachable}, "503": {busy, mft.CodeUnreachable}, "answers lost": {lost, mft.CodeDisconnected},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, blobs, queues := newHarmed(t)
			x, ctx := s.Exchange(), patient(t)
			if err := x.Container.Stage(ctx, "object", 0, []byte("x")); err != nil {
				t.Fatal(err)
			}
			all := func(*http.Request) bool { return true }
			blobs.harm(c.does, -1, all)
			queues.harm(c.does, -1, all)
			for what, err := range everyCall(ctx, s, x) {
				if mft.CodeOf(err) != c.want {
					t.Errorf("%s: %v, want %s", what, err, c.want)
				}
			}
		})
	}
}

// everyCall calls all that asks the storage.
func everyCall(ctx context.Context, s *Storage, x exchange.Exchange) map[string]error {
	l := exchange.Letter{ID: "c1f3bd0e-ae6c-4a2e-9a5d-bf2f1a8c9d10", Claim: "AgAAAAMAAAAAAAAA", Body: []byte("x")}
	_, take := x.Queue.Take(ctx, 1, time.Minute)
	_, grant := x.Container.Grant(ctx, "object", time.Minute)
	_, statements := x.Keys.Statements(ctx, s.agent)
	_, setup := s.Setup(ctx)
	return map[string]error{
		"Put": x.Queue.Put(ctx, s.agent, []byte("x")), "Take": take,
		"Renew": x.Queue.Renew(ctx, &l, time.Minute), "Remove": x.Queue.Remove(ctx, &l),
		"Stage": x.Container.Stage(ctx, "object", 1, []byte("x")), "Publish": x.Container.Publish(ctx, "object", 1),
		"Grant": grant, "Remove of an object": x.Container.Remove(ctx, "object"),
		"List":                   x.Container.List(ctx, func(exchange.Object) bool { return true }),
		"Read":                   x.Reader.Read(ctx, string(s.agent)+"/object?sp=r&sr=b&se=2999-01-01T00%3A00%3A00Z&sig=c2VjcmV0", 0, make([]byte, 1)),
		"Publish of a statement": x.Keys.Publish(ctx, "key", []byte("x")), "Statements": statements, "Setup": setup,
	}
}

// TestCutContent breaks off content in its middle, again and again: what was
// not read whole is an error, and the next call has it.
func TestCutContent(t *testing.T) {
	s, blobs, _ := newHarmed(t)
	x, ctx := s.Exchange(), patient(t)
	whole := bytes.Repeat([]byte("content "), 10_000)
	if err := errors.Join(x.Container.Stage(ctx, "object", 0, whole), x.Container.Publish(ctx, "object", 1)); err != nil {
		t.Fatal(err)
	}
	grant, err := x.Container.Grant(ctx, "object", exchange.MaxGrant)
	if err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(whole))
	blobs.harm(cut, 1, request("GET", "/object?"))
	if err := x.Reader.Read(ctx, grant.Ref, 0, got); mft.CodeOf(err) != mft.CodeDisconnected {
		t.Errorf("Read of what breaks off: %v, want DISCONNECTED", err)
	}
	if err := x.Reader.Read(ctx, grant.Ref, 0, got); err != nil || !bytes.Equal(got, whole) {
		t.Errorf("Read after that: %v", err)
	}
	blobs.harm(cut, 1, request("GET", "comp=list"))
	n := 0
	err = x.Container.List(ctx, func(exchange.Object) bool { n++; return true })
	if err != nil || n != 1 || blobs.matched() != 2 {
		t.Errorf("List of a page that breaks off once: %v, %d objects, asked %d times; want one, asked twice", err, n, blobs.matched())
	}
}

// TestSilence has the storage say nothing: the caller's context ends it.
func TestSilence(t *testing.T) {
	s, blobs, _ := newHarmed(t)
	blobs.harm(silent, -1, func(*http.Request) bool { return true })
	ctx, cancel := context.WithCancel(patient(t))
	defer cancel()
	go func() { // ends with the test's requests
		<-blobs.silence
		cancel()
	}()
	if err := s.Exchange().Container.Stage(ctx, "object", 0, []byte("x")); mft.CodeOf(err) != mft.CodeCancelled {
		t.Errorf("Stage that was cancelled while the storage was silent: %v, want CANCELLED", err)
	}
}

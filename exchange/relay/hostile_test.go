package relay_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/exchange"
	"mft.dev/mft/exchange/relay"
	"mft.dev/mft/exchange/relay/server"
	"mft.dev/mft/exchange/relay/wire"
	"mft.dev/mft/identity"
	"mft.dev/mft/link/transport"
)

// TestWhoIsServed: only peers are spoken to, and of these only those that are served.
func TestWhoIsServed(t *testing.T) {
	alpha, beta, guest := newParty(t, "alpha"), newParty(t, "beta"), newParty(t, "guest")
	impostor := newParty(t, "alpha")
	h := newHub(t, func(c *server.Config) { c.Trust = trust(t, alpha, beta, guest) }, alpha, beta)
	for _, tt := range []struct {
		name string
		who  party
		want mft.Code
		says string
	}{
		{"a peer that is served", alpha, mft.CodeOK, ""},
		{"a peer that is not served", guest, mft.CodeNotAllowed, "relay.agents"},
		{"a stranger", newParty(t, "stranger"), mft.CodeNotAllowed, "does not accept this agent's key"},
		{"the name of a peer with another key", impostor, mft.CodeNotAllowed, "does not accept this agent's key"},
	} {
		_, err := h.of(tt.who).Place(t.Context())
		if mft.CodeOf(err) != tt.want || err != nil && !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v, want code %s and %q", tt.name, err, tt.want, tt.says)
		}
	}
}

// TestWhoServes: the agent believes no other than the one it was told of.
func TestWhoServes(t *testing.T) {
	alpha, other := newParty(t, "alpha"), newParty(t, "hub")
	h := newHub(t, nil, alpha)
	ask := func(trusted *identity.Trust, name mft.AgentName) error {
		r, err := relay.New(relay.Config{
			Agent: "alpha", Relay: name, Addresses: []string{h.address},
			Identity: func() (relay.Identity, error) {
				return relay.Identity{Certificate: alpha.keys.Certificate(), Verify: trusted.VerifyChain}, nil
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		_, err = r.Place(t.Context())
		return err
	}
	for _, tt := range []struct {
		name    string
		trusted *identity.Trust
		relay   mft.AgentName
		want    mft.Code
	}{
		{"the one that is pinned", trust(t, h.party), "hub", mft.CodeOK},
		{"one with another key", trust(t, other), "hub", mft.CodeUntrusted},
		{"one that nobody pinned", trust(t), "hub", mft.CodeUnknownPeer},
		{"another agent than was named", trust(t, h.party, newParty(t, "depot")), "depot", mft.CodeUntrusted},
	} {
		if err := ask(tt.trusted, tt.relay); mft.CodeOf(err) != tt.want {
			t.Errorf("%s: %v, want code %s", tt.name, err, tt.want)
		}
	}
}

// TestForeignTLS: what does not speak as agents do gets no answer.
func TestForeignTLS(t *testing.T) {
	alpha := newParty(t, "alpha")
	h := newHub(t, nil, alpha)
	own := []tls.Certificate{*alpha.keys.Certificate()}
	for name, c := range map[string]*tls.Config{
		"no certificate":     {NextProtos: []string{wire.Proto}},
		"TLS 1.2":            {NextProtos: []string{wire.Proto}, Certificates: own, MaxVersion: tls.VersionTLS12},
		"HTTP/1.1":           {NextProtos: []string{"http/1.1"}, Certificates: own},
		"no protocol at all": {Certificates: own},
	} {
		c.InsecureSkipVerify = true
		conn, err := tls.Dial("tcp", h.address, c)
		if err != nil {
			continue
		}
		// A server of TLS 1.3 refuses what the client said last when it next reads.
		_, _ = io.WriteString(conn, "GET /1/alpha/place HTTP/1.1\r\nHost: hub\r\n\r\n")
		got, err := io.ReadAll(conn)
		conn.Close()
		if bytes.Contains(got, []byte("quota")) || err == nil && bytes.Contains(got, []byte("HTTP/1.1 200")) {
			t.Errorf("%s: the relay answers %q", name, got)
		}
		if err == nil && len(got) > 0 && bytes.HasPrefix(got, []byte("{")) {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// TestPeerRemoved: who is no peer any more is not served, on a connection that stood
// before either.
func TestPeerRemoved(t *testing.T) {
	alpha := newParty(t, "alpha")
	trusted, err := identity.OpenTrust(filepath.Join(t.TempDir(), "peers.json"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := trusted.Add(identity.Peer{Name: "alpha", Pins: []identity.PinnedKey{{Pin: alpha.keys.Pin(), Source: identity.SourceInvite}}}); err != nil {
		t.Fatal(err)
	}
	h := newHub(t, func(c *server.Config) { c.Trust = trusted }, alpha)
	r := h.of(alpha)
	if _, err := r.Place(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := trusted.Remove("alpha"); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Place(t.Context()); mft.CodeOf(err) != mft.CodeNotAllowed {
		t.Errorf("Place on the old connection: %v, want code %s", err, mft.CodeNotAllowed)
	}
	if _, err := h.of(alpha).Place(t.Context()); mft.CodeOf(err) != mft.CodeNotAllowed {
		t.Errorf("Place on a new connection: %v, want code %s", err, mft.CodeNotAllowed)
	}
}

// TestKeysRotate: both ends follow each other to new keys.
func TestKeysRotate(t *testing.T) {
	alpha := newParty(t, "alpha")
	h := newHub(t, nil, alpha)
	r := h.of(alpha)
	for range 2 {
		for _, keys := range []*identity.Keys{alpha.keys, h.party.keys} {
			if err := keys.Rotate(time.Now(), 0); err != nil {
				t.Fatal(err)
			}
			r.Close() // so that the next request connects
			if _, err := r.Place(t.Context()); err != nil {
				t.Fatalf("Place after a rotation: %v", err)
			}
		}
	}
}

// raw returns a client with the certificate of p that sends whatever it is told.
func (h *hub) raw(p party) func(method, path string, size int64, body io.Reader) (int, string) {
	only := new(http.Protocols)
	only.SetHTTP2(true)
	tr := &http.Transport{Protocols: only, TLSClientConfig: transport.TLS(wire.Proto, p.keys.Certificate(), func(tls.ConnectionState) error { return nil })}
	h.t.Cleanup(tr.CloseIdleConnections)
	return func(method, path string, size int64, body io.Reader) (int, string) {
		h.t.Helper()
		req, err := http.NewRequestWithContext(context.Background(), method, "https://"+h.address+path, body)
		if err != nil {
			h.t.Fatal(err)
		}
		req.ContentLength = size
		resp, err := tr.RoundTrip(req)
		if err != nil {
			return 0, err.Error()
		}
		defer resp.Body.Close()
		answer, err := io.ReadAll(resp.Body)
		if err != nil {
			return 0, err.Error()
		}
		return resp.StatusCode, string(answer)
	}
}

// TestOversize: nothing is taken that is longer than it may be, announced or not.
func TestOversize(t *testing.T) {
	alpha, beta := newParty(t, "alpha"), newParty(t, "beta")
	h := newHub(t, nil, alpha, beta)
	ask := h.raw(alpha)
	for _, tt := range []struct {
		name, method, path string
		announced          int64 // -1 for not at all
		sent               int
	}{
		{"letter", http.MethodPost, "/1/beta/letters", -1, exchange.MaxLetter + 1},
		{"announced letter", http.MethodPost, "/1/beta/letters", exchange.MaxLetter + 1, exchange.MaxLetter + 1},
		{"statement", http.MethodPut, "/1/alpha/keys/k", -1, exchange.MaxStatement + 1},
		{"order", http.MethodPost, "/1/alpha/take", -1, wire.MaxOrder + 1},
		{"endless order", http.MethodPost, "/1/alpha/objects/o/publish", -1, 4 << 20},
		{"announced block", http.MethodPut, "/1/alpha/objects/o/0", wire.MaxBlock + 1, 1 << 20},
	} {
		status, answer := ask(tt.method, tt.path, tt.announced, bytes.NewReader(make([]byte, tt.sent)))
		if status != http.StatusRequestEntityTooLarge && status != 0 {
			t.Errorf("%s: status %d, %s; want %d", tt.name, status, answer, http.StatusRequestEntityTooLarge)
		}
	}
	if status, answer := ask(http.MethodPut, "/1/alpha/objects/o/0", -1, bytes.NewReader([]byte("x"))); status != http.StatusBadRequest {
		t.Errorf("a block without a length: status %d, %s", status, answer)
	}
	if status, answer := ask(http.MethodPut, "/1/alpha/objects/"+strings.Repeat("a/", 300)+"0", 1, strings.NewReader("x")); status != http.StatusBadRequest {
		t.Errorf("a long path: status %d, %s", status, answer)
	}
	h.empty(alpha, beta)
}

// empty complains when the relay keeps anything for one of the agents.
func (h *hub) empty(agents ...party) {
	h.t.Helper()
	for _, p := range agents {
		place, err := h.of(p).Place(context.Background())
		if err != nil || place.Letters+place.Put+place.Objects+place.Bytes != 0 {
			h.t.Errorf("the relay keeps %+v, %v; want nothing", place, err)
		}
	}
	files, err := filepath.Glob(filepath.Join(h.conf.Store.Dir, "objects", "*", "*"))
	if err != nil || len(files) > 0 {
		h.t.Errorf("the relay has the files %q, %v; want none", files, err)
	}
}

// A stuck body brings its beginning, and nothing more until it is closed.
type stuck struct {
	io.Reader
	io.Closer
}

func newStuck(begins int) stuck {
	never, _ := io.Pipe()
	return stuck{io.MultiReader(bytes.NewReader(make([]byte, begins)), never), never}
}

// TestSlow: a body that does not come is not waited for, and leaves nothing.
func TestSlow(t *testing.T) {
	alpha, beta := newParty(t, "alpha"), newParty(t, "beta")
	h := newHub(t, func(c *server.Config) { c.Stall = 50 * time.Millisecond }, alpha, beta)
	ask := h.raw(alpha)
	for _, tt := range []struct {
		name, method, path string
		size               int64
		begins             int
	}{
		{"letter", http.MethodPost, "/1/beta/letters", 100, 10},
		{"order", http.MethodPost, "/1/alpha/take", 100, 10},
		{"statement", http.MethodPut, "/1/alpha/keys/k", 100, 0},
		{"block", http.MethodPut, "/1/alpha/objects/o/0", 10_000, 5000},
	} {
		status, answer := ask(tt.method, tt.path, tt.size, newStuck(tt.begins))
		if status != http.StatusRequestTimeout {
			t.Errorf("%s: status %d, %s; want %d", tt.name, status, answer, http.StatusRequestTimeout)
		}
	}
	if err := h.of(alpha).Exchange().Container.Remove(t.Context(), "o"); err != nil { // it was begun
		t.Error(err)
	}
	h.empty(alpha, beta)
}

// TestBroken: a block of which not all comes is none.
func TestBroken(t *testing.T) {
	alpha := newParty(t, "alpha")
	h := newHub(t, nil, alpha)
	ask := h.raw(alpha)
	if status, answer := ask(http.MethodPut, "/1/alpha/objects/o/0", 10_000, bytes.NewReader(make([]byte, 5000))); status == http.StatusOK {
		t.Errorf("half a block: status %d, %s", status, answer)
	}
	x := h.of(alpha).Exchange()
	if err := x.Container.Publish(t.Context(), "o", 1); mft.CodeOf(err) != mft.CodeNotFound {
		t.Errorf("Publish of half a block: %v, want code %s", err, mft.CodeNotFound)
	}
}

// TestQuotas: an agent gets no more than it may have, and gets it again when it has
// removed something.
func TestQuotas(t *testing.T) {
	alpha, beta := newParty(t, "alpha"), newParty(t, "beta")
	h := newHub(t, func(c *server.Config) {
		c.Store.Quota = func(name mft.AgentName) wire.Quota {
			if name == "alpha" {
				return wire.Quota{Letters: 3, Objects: 2, Bytes: 1000}
			}
			return wire.Quota{Letters: 100, Objects: 100, Bytes: 100_000}
		}
	}, alpha, beta)
	x, y, ctx := h.of(alpha).Exchange(), h.of(beta).Exchange(), t.Context()
	for i := range 4 {
		if err := x.Queue.Put(ctx, "beta", []byte("x")); (err == nil) != (i < 3) || err != nil && mft.CodeOf(err) != mft.CodeQuota {
			t.Errorf("Put %d: %v, want three and then code %s", i, err, mft.CodeQuota)
		}
	}
	if err := y.Queue.Put(ctx, "beta", []byte("x")); err != nil {
		t.Errorf("Put of another: %v", err)
	}
	letters, err := y.Queue.Take(ctx, 1, time.Minute)
	if err != nil || len(letters) != 1 {
		t.Fatalf("Take: %v, %v", letters, err)
	}
	if err := y.Queue.Remove(ctx, &letters[0]); err != nil {
		t.Fatal(err)
	}
	if err := x.Queue.Put(ctx, "beta", []byte("x")); err != nil {
		t.Errorf("Put when one was taken away: %v", err)
	}
	stage := func(name string, block, size int) mft.Code {
		return mft.CodeOf(x.Container.Stage(ctx, name, block, make([]byte, size)))
	}
	for _, tt := range []struct {
		name        string
		block, size int
		want        mft.Code
	}{
		{"a", 0, 600, mft.CodeOK},
		{"b", 0, 401, mft.CodeQuota},
		{"b", 0, 300, mft.CodeOK},
		{"c", 0, 1, mft.CodeQuota},
		{"b", 1, 100, mft.CodeOK},
		{"b", 2, 1, mft.CodeQuota},
	} {
		if got := stage(tt.name, tt.block, tt.size); got != tt.want {
			t.Errorf("Stage(%s, %d, %d bytes): code %s, want %s", tt.name, tt.block, tt.size, got, tt.want)
		}
	}
	if err := x.Container.Remove(ctx, "a"); err != nil {
		t.Fatal(err)
	}
	if got := stage("c", 0, 600); got != mft.CodeOK {
		t.Errorf("Stage when another was removed: code %s", got)
	}
}

// TestTooManyConnections: an agent that has as many connections as it may is told to
// come again, not that it is nobody.
func TestTooManyConnections(t *testing.T) {
	alpha := newParty(t, "alpha")
	h := newHub(t, func(c *server.Config) {
		c.Limits = func(mft.AgentName) server.Limits { return server.Limits{Connections: 1} }
	}, alpha)
	first, second := h.of(alpha), h.of(alpha)
	if _, err := first.Place(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := second.Place(t.Context()); mft.CodeOf(err) != mft.CodeUnreachable {
		t.Errorf("Place on a second connection: %v, want code %s", err, mft.CodeUnreachable)
	}
	first.Close()
	for t.Context().Err() == nil { // the relay may hear of it a little later
		if _, err := second.Place(t.Context()); err == nil {
			return
		}
	}
	t.Error("no connection is let in after the first has gone")
}

// TestReplays: whatever is asked for a second time does nothing more.
func TestReplays(t *testing.T) {
	alpha, beta := newParty(t, "alpha"), newParty(t, "beta")
	h := newHub(t, nil, alpha, beta)
	x, y, ctx := h.of(alpha).Exchange(), h.of(beta).Exchange(), t.Context()
	if err := x.Queue.Put(ctx, "beta", []byte("x")); err != nil {
		t.Fatal(err)
	}
	letters, err := y.Queue.Take(ctx, 1, time.Minute)
	if err != nil || len(letters) != 1 {
		t.Fatalf("Take: %v, %v", letters, err)
	}
	// A claim is of no use to another agent.
	if err := x.Queue.Remove(ctx, &letters[0]); err != nil {
		t.Errorf("Remove of what is no letter of alpha: %v, want that it is gone", err)
	}
	old := letters[0]
	if err := y.Queue.Renew(ctx, &letters[0], time.Minute); err != nil {
		t.Fatal(err)
	}
	if err := y.Queue.Renew(ctx, &old, time.Minute); mft.CodeOf(err) != mft.CodeNotFound {
		t.Errorf("Renew by a claim that was used: %v, want code %s", err, mft.CodeNotFound)
	}
	if err := y.Queue.Remove(ctx, &letters[0]); err != nil {
		t.Fatal(err)
	}
	if err := x.Container.Stage(ctx, "o", 0, []byte("once")); err != nil {
		t.Fatal(err)
	}
	if err := x.Container.Publish(ctx, "o", 1); err != nil {
		t.Fatal(err)
	}
	g, err := x.Container.Grant(ctx, "o", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if err := x.Container.Stage(ctx, "o", 0, []byte("twice")); mft.CodeOf(err) != mft.CodeExists {
		t.Errorf("Stage over what is published: %v, want code %s", err, mft.CodeExists)
	}
	got := make([]byte, 4)
	for range 2 {
		if err := y.Reader.Read(ctx, g.Ref, 0, got); err != nil || string(got) != "once" {
			t.Errorf("Read: %q, %v", got, err)
		}
	}
	if err := x.Container.Remove(ctx, "o"); err != nil {
		t.Fatal(err)
	}
	// A grant is for one object, not for whatever has its name.
	if err := x.Container.Stage(ctx, "o", 0, []byte("anew")); err != nil {
		t.Fatal(err)
	}
	if err := x.Container.Publish(ctx, "o", 1); err != nil {
		t.Fatal(err)
	}
	if err := y.Reader.Read(ctx, g.Ref, 0, got); mft.CodeOf(err) != mft.CodeNotFound {
		t.Errorf("Read by the grant of an object that was removed: %q, %v; want code %s", got, err, mft.CodeNotFound)
	}
}

// TestLettersComeAtOnce: who waits gets a letter when it is put, not when it next asks.
func TestLettersComeAtOnce(t *testing.T) {
	alpha, beta := newParty(t, "alpha"), newParty(t, "beta")
	h := newHub(t, nil, alpha, beta)
	ctx, cancel := context.WithTimeout(t.Context(), wire.MaxWait/2) // a wait that nobody ends takes longer
	defer cancel()
	patient := h.patient(beta)
	type taken struct {
		letters []exchange.Letter
		err     error
	}
	got := make(chan taken, 1)
	take := func(lease time.Duration) {
		letters, err := patient.Exchange().Queue.Take(ctx, 1, lease)
		got <- taken{letters, err}
	}
	go take(10 * time.Millisecond)
	if err := h.of(alpha).Exchange().Queue.Put(ctx, "beta", []byte("x")); err != nil {
		t.Fatal(err)
	}
	if r := <-got; r.err != nil || len(r.letters) != 1 {
		t.Fatalf("Take: %v, %v; want the letter", r.letters, r.err)
	}
	go take(time.Minute) // the lease ends while it waits
	if r := <-got; r.err != nil || len(r.letters) != 1 || r.letters[0].Taken != 2 {
		t.Fatalf("Take: %v, %v; want the letter again", r.letters, r.err)
	}
	go take(time.Minute)
	h.stop() // who waits is told to come again
	if r := <-got; mft.CodeOf(r.err) != mft.CodeUnreachable && mft.CodeOf(r.err) != mft.CodeDisconnected {
		t.Errorf("Take while the relay stops: %v, %v; want that it is not reached", r.letters, r.err)
	}
}

// patient returns the relay as an agent sees it that waits for letters.
func (h *hub) patient(p party) *relay.Relay {
	h.t.Helper()
	r, err := relay.New(relay.Config{
		Agent: p.name, Relay: "hub", Addresses: []string{h.address}, Wait: wire.MaxWait,
		Identity: func() (relay.Identity, error) {
			return relay.Identity{Certificate: p.keys.Certificate(), Verify: func([]*x509.Certificate, time.Time) (mft.AgentName, error) { return "hub", nil }}, nil
		},
	})
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(r.Close)
	return r
}

// TestCheck: the check finds everything as it must be, and leaves nothing.
func TestCheck(t *testing.T) {
	alpha, beta := newParty(t, "alpha"), newParty(t, "beta")
	h := newHub(t, nil, alpha, beta)
	failed := func(peer mft.AgentName) (out []string) {
		t.Helper()
		for _, f := range h.of(alpha).Check(t.Context(), peer) {
			if !f.OK {
				out = append(out, f.What+": "+f.Result)
			}
			if f.OK != (f.Remedy == "") {
				t.Errorf("%s: OK is %v, and the remedy %q", f.What, f.OK, f.Remedy)
			}
		}
		return out
	}
	if bad := failed(""); len(bad) > 0 {
		t.Errorf("Check finds %q", bad)
	}
	if bad := failed("beta"); len(bad) != 1 || !strings.Contains(bad[0], "published its key") {
		t.Errorf("Check with a peer that never ran finds %q, want that", bad)
	}
	if bad := failed("nobody"); len(bad) != 2 {
		t.Errorf("Check with one that is not served finds %q, want that no letter may be put and no key is there", bad)
	}
	if err := h.of(beta).Exchange().Keys.Publish(t.Context(), "k", []byte("x")); err != nil {
		t.Fatal(err)
	}
	if bad := failed("beta"); len(bad) > 0 {
		t.Errorf("Check with a peer finds %q", bad)
	}
	h.empty(alpha, beta)
	h.stop()
	if bad := failed("beta"); len(bad) != 1 || !strings.Contains(bad[0], string(mft.CodeUnreachable)) {
		t.Errorf("Check without a relay finds %q, want that alone", bad)
	}
}

package server

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"mft.dev/mft"
)

// TestParse: an agent gets at what is its own, and at two things of others.
func TestParse(t *testing.T) {
	s := &Server{}
	name := strings.Repeat("n", 80)
	for _, tt := range []struct {
		method, path string
		own, others  mft.Code
	}{
		{http.MethodPost, "letters", mft.CodeOK, mft.CodeOK},
		{http.MethodGet, "keys", mft.CodeOK, mft.CodeOK},
		{http.MethodPost, "take", mft.CodeOK, mft.CodeNotAllowed},
		{http.MethodPost, "renew", mft.CodeOK, mft.CodeNotAllowed},
		{http.MethodPost, "remove", mft.CodeOK, mft.CodeNotAllowed},
		{http.MethodGet, "objects", mft.CodeOK, mft.CodeNotAllowed},
		{http.MethodPut, "objects/" + name + "/0", mft.CodeOK, mft.CodeNotAllowed},
		{http.MethodPost, "objects/" + name + "/publish", mft.CodeOK, mft.CodeNotAllowed},
		{http.MethodPost, "objects/" + name + "/grant", mft.CodeOK, mft.CodeNotAllowed},
		{http.MethodDelete, "objects/" + name, mft.CodeOK, mft.CodeNotAllowed},
		{http.MethodPut, "keys/k", mft.CodeOK, mft.CodeNotAllowed},
		{http.MethodDelete, "keys/k", mft.CodeOK, mft.CodeNotAllowed},
		{http.MethodGet, "place", mft.CodeOK, mft.CodeNotAllowed},
		{http.MethodGet, "letters", mft.CodeUsage, mft.CodeUsage},
		{http.MethodPost, "letters/", mft.CodeUsage, mft.CodeUsage},
		{http.MethodPost, "", mft.CodeUsage, mft.CodeUsage},
		{http.MethodPost, "../alpha/take", mft.CodeUsage, mft.CodeUsage},
		{http.MethodPost, "%74ake", mft.CodeUsage, mft.CodeUsage},
		{http.MethodPut, "objects/a/b/0", mft.CodeUsage, mft.CodeUsage},
	} {
		for about, want := range map[mft.AgentName]mft.Code{"alpha": tt.own, "beta": tt.others} {
			u, err := url.Parse("https://hub/1/" + string(about) + "/" + tt.path)
			if err != nil {
				t.Fatal(err)
			}
			_, q, err := s.parse("alpha", tt.method, u)
			if mft.CodeOf(err) != want || err == nil && (q.who != "alpha" || q.about != about) {
				t.Errorf("%s %s by alpha: %+v, %v; want code %s", tt.method, u.Path, q, err, want)
			}
		}
	}
}

// FuzzParse: whatever is asked for, it is about the one who asks, or is one of the two
// things that anybody may.
func FuzzParse(f *testing.F) {
	for _, path := range []string{"/1/alpha/take", "/1/beta/letters?try", "/1/read", "/1/beta/objects/x/0", "/1//take", "/1/alpha/objects/%2e%2e/0", "//1/beta/keys/x"} {
		f.Add(http.MethodPost, path)
		f.Add(http.MethodPut, path)
		f.Add(http.MethodGet, path)
	}
	s := &Server{}
	f.Fuzz(func(t *testing.T, method, path string) {
		u, err := url.ParseRequestURI(path)
		if err != nil {
			return
		}
		do, q, err := s.parse("alpha", method, u)
		switch {
		case err != nil && (do != nil || q != nil || !mft.CodeOf(err).Known()):
			t.Errorf("parse(%q, %q): %+v and %v", method, path, q, err)
		case err != nil:
		case do == nil || q.who != "alpha":
			t.Errorf("parse(%q, %q): %+v, want a request of alpha", method, path, q)
		case q.about != "alpha" && q.about != "" && !(method == http.MethodPost && q.words[0] == "letters" && len(q.words) == 1) &&
			!(method == http.MethodGet && q.words[0] == "keys" && len(q.words) == 1):
			t.Errorf("parse(%q, %q) lets alpha do that to %s", method, path, q.about)
		}
	})
}

// TestRate: so many requests a second, and twice as many at once.
func TestRate(t *testing.T) {
	at := time.Unix(1_700_000_000, 0)
	c := newClient(Limits{Requests: 10}, time.Now)
	c.filled = at
	waits := func(n int) (last time.Duration) {
		for range n {
			last = c.draw(at)
		}
		return last
	}
	if got := waits(20); got > 0 {
		t.Errorf("the 20th request at once waits %v, want not at all", got)
	}
	if got := waits(1); got != 100*time.Millisecond {
		t.Errorf("the 21st waits %v, want 100ms", got)
	}
	if got := waits(10); got != 1100*time.Millisecond {
		t.Errorf("the 31st waits %v, want 1.1s", got)
	}
	at = at.Add(time.Hour)
	if got := waits(20); got > 0 {
		t.Errorf("after an hour the 20th at once waits %v, want not at all", got)
	}
	if got := waits(1); got != 100*time.Millisecond {
		t.Errorf("after an hour the 21st waits %v, want 100ms", got)
	}
}

// TestBusy: who asks for far too much is told so, and takes no place.
func TestBusy(t *testing.T) {
	c := newClient(Limits{Requests: 1, AtOnce: 2, Connections: 1}, time.Now)
	c.tokens = -100
	if _, err := c.begin(t.Context()); mft.CodeOf(err) != mft.CodeBusy {
		t.Errorf("begin far above the rate: %v, want code %s", err, mft.CodeBusy)
	}
	c.tokens = 10
	for range 2 {
		end, err := c.begin(t.Context())
		if err != nil {
			t.Fatalf("begin: %v", err)
		}
		defer end()
	}
	if _, err := c.begin(t.Context()); mft.CodeOf(err) != mft.CodeBusy {
		t.Errorf("the third at once: %v, want code %s", err, mft.CodeBusy)
	}
	if !c.enter() || c.enter() {
		t.Error("want one connection let in, and no other")
	}
	c.leave()
	if !c.enter() {
		t.Error("want one let in when another has gone")
	}
}

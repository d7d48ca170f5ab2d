package post

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 11, 22, 14, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		value string
		want  time.Duration
	}{
		{"", 0},
		{"7", 7 * time.Second},
		{"-7", 0},
		{"999999999", time.Hour},
		{"99999999999999999999", 0},
		{now.Add(time.Minute).Format(http.TimeFormat), time.Minute},
		{now.Add(-time.Minute).Format(http.TimeFormat), 0},
		{now.Add(48 * time.Hour).Format(http.TimeFormat), time.Hour},
		{"soon", 0},
	} {
		if got := RetryAfter(tt.value, now); got != tt.want {
			t.Errorf("RetryAfter(%q) = %s, want %s", tt.value, got, tt.want)
		}
	}
}

func TestPlain(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"quota\r\n exceeded ", "quota exceeded"},
		{"\x1b[2J\x00x\u0085y", "[2J x y"},
		{"<html><body>", ""},
		{"caf\xff\xe9", "caf"},
		{strings.Repeat("é", 300), strings.Repeat("é", 100)},
	} {
		if got := Plain([]byte(tt.in)); got != tt.want {
			t.Errorf("Plain(%q) = %q, want %q", tt.in, got, tt.want)
		}
	}
}

func FuzzPlain(f *testing.F) {
	f.Add([]byte("quota\n\x1b[2J\xff"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if got := Plain(b); strings.ContainsAny(got, "\x00\n\r\x1b\x7f") || len(got) > 200 {
			t.Errorf("Plain(%q) = %q", b, got)
		}
	})
}

// TestRedirect has a collector send elsewhere: headers, which may be secret, go
// there only if that was asked for, and never out of TLS.
func TestRedirect(t *testing.T) {
	asked := 0
	target := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked++ }))
	defer target.Close()
	secure := httptest.NewTLSServer(http.RedirectHandler(target.URL, http.StatusTemporaryRedirect))
	defer secure.Close()
	plain := httptest.NewServer(http.RedirectHandler(target.URL, http.StatusTemporaryRedirect))
	defer plain.Close()
	for _, tt := range []struct {
		name   string
		follow bool
		want   int
	}{{"not followed", false, 0}, {"followed", true, 1}} {
		c := New(Options{Follow: tt.follow, Timeout: time.Minute})
		_, err := c.Do(t.Context(), plain.URL, http.Header{"Api-Key": {"s3cret"}}, nil)
		c.Forget()
		var r *Refusal
		if asked != tt.want || (err != nil) != !tt.follow || !tt.follow && !errors.As(err, &r) {
			t.Errorf("%s: asked %d times, %v", tt.name, asked, err)
		}
	}
	asked = 0
	c := New(Options{Follow: true, Timeout: time.Minute})
	defer c.Forget()
	client, err := c.client()
	if err != nil {
		t.Fatal(err)
	}
	client.Transport.(*http.Transport).TLSClientConfig.RootCAs = secure.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	if _, err := c.Do(t.Context(), secure.URL, http.Header{}, nil); err == nil || asked != 0 || !strings.Contains(err.Error(), "away from https") {
		t.Errorf("a redirect that leads out of TLS: asked %d times, %v", asked, err)
	}
}

// TestBounds has a collector that answers without end, and one that is silent.
func TestBounds(t *testing.T) {
	endless := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			if _, err := w.Write(make([]byte, 64<<10)); err != nil {
				return
			}
		}
	}))
	defer endless.Close()
	c := New(Options{Timeout: time.Minute})
	defer c.Forget()
	if a, err := c.Do(t.Context(), endless.URL, http.Header{}, nil); err != nil || len(a.Body) != maxAnswer {
		t.Errorf("an answer without end: %v", err)
	}
	silent := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	defer silent.Close()
	hasty := New(Options{Timeout: 10 * time.Millisecond})
	defer hasty.Forget()
	if _, err := hasty.Do(t.Context(), silent.URL, http.Header{"Api-Key": {"s3cret"}}, nil); err == nil || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("a collector that is silent: %v", err)
	}
}

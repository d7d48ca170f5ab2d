package azure

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/exchange"
	"mft.dev/mft/exchange/azure/account"
)

// TestErrorsTellNoSecrets has all calls fail in many ways, with a SAS whose
// signature must stand in none of the errors.
func TestErrorsTellNoSecrets(t *testing.T) {
	const signature = "c2VjcmV0LXNpZ25hdHVyZQ=="
	token := "sv=2025-01-05&ss=bq&srt=sco&sp=rwdlacup&se=2999-01-01T00:00:00Z&sig=c2VjcmV0LXNpZ25hdHVyZQ%3D%3D"
	forms := []string{signature, strings.ReplaceAll(signature, "=", "%3D"), "c2VjcmV0LXNpZ25h", "2999-01-01"}
	echo := func(status int, code string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) { // as a storage that quotes what was signed
			w.Header().Set("x-ms-error-code", code)
			w.Header().Set("x-ms-request-id", "id?"+r.URL.RawQuery)
			w.Header().Set("WWW-Authenticate", "Bearer "+r.URL.RawQuery)
			w.WriteHeader(status)
			fmt.Fprintf(w, "<Error><Code>%s</Code><Message>Signature did not match: %s %s</Message></Error>", code, r.URL, r.URL.Query().Get("sig"))
		}
	}
	for name, serve := range map[string]http.HandlerFunc{
		"401":            echo(401, "NoAuthenticationInformation"),
		"403":            echo(403, "AuthenticationFailed"),
		"a strange code": echo(403, "sig=c2VjcmV0LXNpZ25hdHVyZQ=="),
		"no code":        echo(400, ""),
		"404":            echo(404, "ContainerNotFound"),
		"500":            echo(500, "InternalError"),
		"a redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://elsewhere.invalid/?"+r.URL.RawQuery, http.StatusFound)
		},
		"no HTTP": func(w http.ResponseWriter, r *http.Request) {
			conn, _, err := w.(http.Hijacker).Hijack()
			if err == nil {
				fmt.Fprintf(conn, "you said %s\r\n\r\n", r.URL)
				_ = conn.Close()
			}
		},
		"no XML": func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, "<a %s", r.URL) },
		"gone":   nil,
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(serve)
			defer server.Close()
			if serve == nil {
				server.Close()
			}
			address := strings.TrimPrefix(server.URL, "http://")
			c := azurite{address, address}.config("somebody")
			c.Credential = account.Credential{SAS: &account.SAS{Account: secret(token)}}
			s := open(t, c)
			failed := 0
			for what, err := range everyCall(patient(t), s, s.Exchange()) {
				if err == nil {
					continue
				}
				failed++
				for _, form := range forms {
					if text := fmt.Sprintf("%v %+v %#v", err, err, err); strings.Contains(text, form) {
						t.Errorf("%s: the error tells %q: %s", what, form, text)
					}
				}
				if code := mft.CodeOf(err); code == mft.CodeOther || code == mft.CodeInternal {
					t.Errorf("%s: %v has no code that helps", what, err)
				}
			}
			if failed < 8 {
				t.Errorf("only %d calls failed", failed)
			}
			for _, f := range s.Check(patient(t), "peer") {
				for _, form := range forms {
					if strings.Contains(f.Says+f.Remedy, form) {
						t.Errorf("%s: the finding tells %q: %+v", f.What, form, f)
					}
				}
			}
		})
	}
}

// TestGrantOfSAS says at once that a SAS makes no grants.
func TestGrantOfSAS(t *testing.T) {
	us, them := newAgent(t, "us"), newAgent(t, "them")
	granted(t, us, "object", []byte("content"))
	s := open(t, withSAS(t, us.agent, them.agent))
	_, err := s.Exchange().Container.Grant(patient(t), "object", time.Minute)
	if mft.CodeOf(err) != mft.CodeNotAllowed || !strings.Contains(err.Error(), "Entra") {
		t.Errorf("Grant with a SAS: %v, want NOT_ALLOWED and what to use instead", err)
	}
	if err := s.Exchange().Queue.Put(patient(t), "stranger", []byte("x")); mft.CodeOf(err) != mft.CodeNotAllowed || !strings.Contains(err.Error(), "stranger") {
		t.Errorf("Put to an agent without a SAS: %v", err)
	}
}

// TestForeignMessages takes what anybody may put who may put messages.
func TestForeignMessages(t *testing.T) {
	s := newAgent(t, "us")
	ctx := patient(t)
	long := strings.Repeat("A", 40_000)
	for text, want := range map[string]string{
		"{ \"json\": true }": "{ \"json\": true }",
		"aGVsbG8=":           "hello",
		"aGVsbG9=":           "aGVsbG9=", // another way to write the same
		long:                 long[:exchange.MaxLetter],
		"\u00fc <&> \u20ac":  "\u00fc <&> \u20ac",
	} {
		if _, err := (queue{s}).of(s.agent).EnqueueMessage(ctx, text, nil); err != nil {
			t.Fatal(err)
		}
		letters, err := s.Exchange().Queue.Take(ctx, 2, time.Minute)
		if err != nil || len(letters) != 1 {
			t.Fatalf("Take of %.20q: %d letters, %v", text, len(letters), err)
		}
		l := letters[0]
		if string(l.Body) != want {
			t.Errorf("Take of %.20q returned %.20q", text, l.Body)
		}
		if err := s.Exchange().Queue.Renew(ctx, &l, time.Minute); err != nil {
			t.Errorf("Renew of %.20q: %v", text, err)
		}
		if err := s.Exchange().Queue.Remove(ctx, &l); err != nil {
			t.Errorf("Remove of %.20q: %v", text, err)
		}
	}
}

// TestForeignObjects has things in the container that are not ours: nobody is
// told of them, for they might be removed.
func TestForeignObjects(t *testing.T) {
	s := newAgent(t, "us")
	ctx := patient(t)
	for _, name := range []string{"Photos/holiday.jpg", "REPORT", "a.b"} {
		if _, err := s.own().NewBlockBlobClient(name).UploadBuffer(ctx, []byte("x"), nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Exchange().Container.List(ctx, func(o exchange.Object) bool {
		t.Errorf("List shows %q", o.Name)
		return true
	}); err != nil {
		t.Error(err)
	}
}

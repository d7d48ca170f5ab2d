package s3

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/exchange"
	"mft.dev/mft/exchange/probe"
)

func bad(found []probe.Finding) []string {
	var out []string
	for _, f := range found {
		if !f.OK {
			out = append(out, f.What+": "+f.Says)
		}
	}
	return out
}

// TestCheck: with what Policy gives, which is what the fake allows, all is well.
func TestCheck(t *testing.T) {
	f := newFake(t)
	alpha := open(t, f.config(t, "alpha"))
	found := alpha.Check(t.Context(), "beta")
	if got := bad(found); len(got) > 0 || len(found) < 9 {
		t.Errorf("Check finds %q of %d, want nothing", got, len(found))
	}
	if len(f.objects) > 0 || len(f.uploads) > 0 {
		t.Errorf("Check leaves %d objects and %d uploads", len(f.objects), len(f.uploads))
	}
	f.lax = true
	found = alpha.Check(t.Context(), "")
	if got := bad(found); len(got) > 0 || !strings.Contains(found[5].Says, "If-None-Match") {
		t.Errorf("Check of a storage without conditions finds %+v", found)
	}
	other := open(t, Config{
		Agent: "alpha", Endpoint: f.URL, Bucket: "another", CA: alpha.config.CA, AccessKey: "alpha",
		SecretKey: func() (string, error) { return "x", nil },
	})
	if got := bad(other.Check(t.Context(), "")); len(got) != 1 || !strings.Contains(got[0], "no such bucket") {
		t.Errorf("Check of a bucket that is not there finds %q, want that", got)
	}
	for _, want := range []string{"made", "nothing"} {
		if steps, err := other.Setup(t.Context()); err != nil || len(steps) != 1 || steps[0].Done != want {
			t.Errorf("Setup: %v, %v; want %s", steps, err, want)
		}
	}
}

func TestPolicy(t *testing.T) {
	text, err := Policy(Config{Agent: "erp", Bucket: "contoso", Prefix: "mft/"})
	if err != nil || !json.Valid([]byte(text)) || strings.Count(text, `mft/erp/*"`) != 2 || strings.Contains(text, `contoso/*`) {
		t.Errorf("Policy: %v\n%s", err, text)
	}
	if _, err := Policy(Config{Agent: "../x"}); mft.CodeOf(err) != mft.CodeBadName {
		t.Errorf("Policy of what is no agent: %v", err)
	}
}

// TestResumed: what one process has staged the next one publishes.
func TestResumed(t *testing.T) {
	f := newFake(t)
	blocks := [][]byte{make([]byte, 5<<20), []byte("second"), []byte("third")}
	blocks[1] = append(make([]byte, 5<<20-6), blocks[1]...)
	for i, b := range blocks {
		c := open(t, f.config(t, "alpha")).Exchange().Container
		if err := c.Stage(t.Context(), "object", i, b); err != nil {
			t.Fatal(err)
		}
	}
	if len(f.uploads) != 1 {
		t.Errorf("three processes staged into %d uploads, want one", len(f.uploads))
	}
	x := open(t, f.config(t, "alpha")).Exchange()
	if err := x.Container.Publish(t.Context(), "object", 3); err != nil {
		t.Fatal(err)
	}
	grant, err := x.Container.Grant(t.Context(), "object", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 11)
	if err := open(t, f.config(t, "beta")).Exchange().Reader.Read(t.Context(), grant.Ref, 10<<20-6, got); err != nil || string(got) != "secondthird" {
		t.Errorf("Read: %q, %v", got, err)
	}
}

// TestLost: what was done, and whose answer was lost, is done once.
func TestLost(t *testing.T) {
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete} {
		t.Run(method, func(t *testing.T) {
			f := newFake(t)
			lost := false
			f.lose = func(r *http.Request) bool {
				first := !lost && r.Method == method && (method != http.MethodPost || r.URL.Query().Has("uploadId"))
				lost = lost || first
				return first
			}
			box := open(t, f.config(t, "alpha")).Exchange().Container
			if err := box.Stage(t.Context(), "object", 0, []byte("x")); err != nil {
				t.Fatalf("Stage: %v", err)
			}
			if err := box.Publish(t.Context(), "object", 1); err != nil {
				t.Fatalf("Publish: %v", err)
			}
			if o := f.objects["alpha/object"]; string(o.data) != "x" || len(f.uploads) > 0 {
				t.Errorf("there are %q and %d uploads, want x and none", o.data, len(f.uploads))
			}
			if err := box.Remove(t.Context(), "object"); err != nil {
				t.Fatalf("Remove: %v", err)
			}
			if len(f.objects) > 0 || !lost {
				t.Errorf("%d objects are left; an answer was lost: %v", len(f.objects), lost)
			}
		})
	}
}

// TestSilent: no error of a call tells a secret, whatever the storage says.
func TestSilent(t *testing.T) {
	f := newFake(t)
	alpha := open(t, f.config(t, "alpha")).Exchange()
	if err := alpha.Container.Stage(t.Context(), "object", 0, []byte("x")); err != nil {
		t.Fatal(err)
	}
	if err := alpha.Container.Publish(t.Context(), "object", 1); err != nil {
		t.Fatal(err)
	}
	grant, err := alpha.Container.Grant(t.Context(), "object", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	_, query, _ := strings.Cut(grant.Ref, "?")
	beta := open(t, f.config(t, "beta")).Exchange()
	for what, err := range map[string]error{
		"another's grant":   beta.Reader.Read(t.Context(), strings.Replace(grant.Ref, "object", "other", 1), 0, make([]byte, 1)),
		"more than a grant": beta.Reader.Read(t.Context(), grant.Ref+"&versionId=1", 0, make([]byte, 1)),
		"behind the end":    beta.Reader.Read(t.Context(), grant.Ref, 5, make([]byte, 1)),
		"no server":         silentRead(t, grant.Ref),
	} {
		if err == nil {
			t.Errorf("%s: no error", what)
			continue
		}
		for _, secret := range []string{query, query[len(query)-20:], secretOf("alpha"), "secret words"} {
			if strings.Contains(err.Error(), secret) {
				t.Errorf("%s: the error tells %q: %v", what, secret, err)
			}
		}
	}
}

// silentRead reads where nothing listens.
func silentRead(t *testing.T, ref string) error {
	gone := httptest.NewServer(nil)
	gone.Close()
	s := open(t, Config{
		Agent: "beta", Endpoint: gone.URL, Bucket: "mft", AccessKey: "beta", SecretKey: func() (string, error) { return secretOf("beta"), nil },
	})
	err := s.Exchange().Reader.Read(t.Context(), ref, 0, make([]byte, 1))
	if mft.CodeOf(err) != mft.CodeUnreachable {
		t.Errorf("Read where nothing listens: %v, want code %s", err, mft.CodeUnreachable)
	}
	return err
}

func TestOpen(t *testing.T) {
	key := func() (string, error) { return "secret", nil }
	for name, c := range map[string]Config{
		"no agent":                 {Agent: "", Bucket: "b"},
		"no bucket":                {Agent: "erp"},
		"a path for a bucket":      {Agent: "erp", Bucket: "a/b"},
		"a prefix without a slash": {Agent: "erp", Bucket: "b", Prefix: "mft"},
		"a key without its secret": {Agent: "erp", Bucket: "b", AccessKey: "k"},
		"a secret without its key": {Agent: "erp", Bucket: "b", SecretKey: key},
		"no TLS":                   {Agent: "erp", Bucket: "b", Endpoint: "http://s3.example.com"},
		"a user in the endpoint":   {Agent: "erp", Bucket: "b", Endpoint: "https://me:secret@s3.example.com"},
		"a bucket in the endpoint": {Agent: "erp", Bucket: "b", Endpoint: "https://s3.example.com/b"},
		"no such CA":               {Agent: "erp", Bucket: "b", CA: "/nowhere/ca.pem"},
		"a secret that fails":      {Agent: "erp", Bucket: "b", AccessKey: "k", SecretKey: func() (string, error) { return "", errors.New("file /x: no such file") }},
	} {
		s, err := Open(c)
		if code := mft.CodeOf(err); code != mft.CodeConfig && code != mft.CodeBadName || strings.Contains(err.Error(), "secret@") {
			t.Errorf("Open with %s: %v, want code %s", name, err, mft.CodeConfig)
		}
		if s != nil {
			s.Close()
		}
	}
}

func FuzzParseRef(f *testing.F) {
	const good = "erp/object?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=k%2F20260101%2Fr%2Fs3%2Faws4_request&X-Amz-Date=20260101T000000Z" +
		"&X-Amz-Expires=900&X-Amz-SignedHeaders=host&X-Amz-Signature=00ff"
	if _, err := parseRef(good); err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{good, good + "&X-Amz-Expires=1", strings.Replace(good, "900", "901", 1), "erp/../x?", "?", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, ref string) {
		g, err := parseRef(ref)
		if err != nil {
			if mft.CodeOf(err) != mft.CodeBadPath {
				t.Errorf("parseRef(%q): %v, want code %s", ref, err, mft.CodeBadPath)
			}
			return
		}
		if exchange.CheckName(g.name) != nil || strings.Contains(string(g.agent), "/") || g.query.Get("versionId") != "" {
			t.Errorf("parseRef(%q) accepts %+v", ref, g)
		}
	})
}

// TestMeanwhile: what a grant reads does not change when its object is published again
// by another upload, and a done context is told as such.
func TestMeanwhile(t *testing.T) {
	f := newFake(t)
	x := open(t, f.config(t, "alpha")).Exchange()
	for _, again := range []bool{false, true} {
		err := x.Container.Stage(t.Context(), "object", 0, []byte("x"))
		if again != (mft.CodeOf(err) == mft.CodeExists) {
			t.Errorf("Stage: %v; published before: %v", err, again)
		}
		if err := x.Container.Publish(t.Context(), "object", 1); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := x.Container.Remove(ctx, "object"); mft.CodeOf(err) != mft.CodeCancelled {
		t.Errorf("Remove with a done context: %v", err)
	}
}

package azure

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"mft.dev/mft"
	"mft.dev/mft/exchange"
	"mft.dev/mft/exchange/azure/account"
)

// granted publishes an object and grants it.
func granted(t *testing.T, s *Storage, name string, content []byte) exchange.Grant {
	t.Helper()
	c, ctx := s.Exchange().Container, patient(t)
	if err := c.Stage(ctx, name, 0, content); err != nil {
		t.Fatal(err)
	}
	if err := c.Publish(ctx, name, 1); err != nil {
		t.Fatal(err)
	}
	g, err := c.Grant(ctx, name, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// TestGrantIsNarrow uses the signature of a grant for everything else, past
// our own reader.
func TestGrantIsNarrow(t *testing.T) {
	s, other := newAgent(t, "owner"), newAgent(t, "other")
	g := granted(t, s, "object", []byte("content"))
	granted(t, s, "neighbour", []byte("not yours"))
	granted(t, other, "object", []byte("not yours"))
	path, query, _ := strings.Cut(g.Ref, "?")
	own, base := string(s.agent), "http://"+emulator(t).blobs+"/"+emulated+"/"
	if path != own+"/object" {
		t.Errorf("the grant is for %q", path)
	}
	fields, err := url.ParseQuery(query)
	if err != nil {
		t.Fatal(err)
	}
	start, errStart := time.Parse(time.RFC3339, fields.Get("st"))
	end, errEnd := time.Parse(time.RFC3339, fields.Get("se"))
	if errStart != nil || errEnd != nil || end.Sub(start) > exchange.MaxGrant+6*time.Minute || time.Since(start) < 4*time.Minute || !end.Equal(g.Until) {
		t.Errorf("the grant lasts from %v to %v, said to be %v", start, end, g.Until)
	}
	for name, c := range map[string]struct {
		method, path, more string
		want               int
	}{
		"read it":                       {"GET", path, "", http.StatusOK},
		"look at it":                    {"HEAD", path, "", http.StatusOK},
		"another object":                {"GET", own + "/neighbour", "", http.StatusForbidden},
		"the object of another agent":   {"GET", string(other.agent) + "/object", "", http.StatusForbidden},
		"write it":                      {"PUT", path, "", http.StatusForbidden},
		"remove it":                     {"DELETE", path, "", http.StatusForbidden},
		"stage a block":                 {"PUT", path, "comp=block&blockid=AAAA&", http.StatusForbidden},
		"list the container":            {"GET", own, "restype=container&comp=list&", http.StatusForbidden},
		"with longer life":              {"GET", path, "longer", http.StatusForbidden},
		"with the right to write added": {"PUT", path, "rw", http.StatusForbidden},
	} {
		t.Run(name, func(t *testing.T) {
			signed := query
			switch c.more {
			case "longer":
				signed, c.more = strings.Replace(signed, fields.Get("se")[:4], "2999", 1), ""
			case "rw":
				signed, c.more = strings.Replace(signed, "sp=r", "sp=rw", 1), ""
			}
			req, err := http.NewRequestWithContext(patient(t), c.method, base+c.path+"?"+c.more+signed, nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("x-ms-blob-type", "BlockBlob")
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if resp.StatusCode != c.want {
				body, _ := io.ReadAll(io.LimitReader(resp.Body, 1000))
				t.Errorf("%s with the grant: %s, want %d\n%s", c.method, resp.Status, c.want, body)
			}
		})
	}
}

// FuzzRef reads refs as a peer may make them.
func FuzzRef(f *testing.F) {
	for _, ref := range []string{
		"", "alpha/object", "alpha/object?sp=r&sr=b&se=2026-01-01T00%3A00%3A00Z&sig=c2ln&sv=2025-01-01&spr=https&st=2026-01-01T00%3A00%3A00Z",
		"alpha/../beta/object?sp=r&sr=b&se=x&sig=y", "alpha/object?sp=r&sr=b&se=x&sig=y&comp=list", "alpha/object?sp=r&sp=w&sr=b&se=x&sig=y",
		"publickeys/object?sp=r&sr=b&se=x&sig=y", "http://elsewhere/alpha/object?sp=r&sr=b&se=x&sig=y", "alpha/object?sp=r&sr=c&se=x&sig=y",
		"alpha/object?%73p=r&sr=b&se=x&sig=y#z", "ab/object?sp=r&sr=b&se=x&sig=y",
	} {
		f.Add(ref)
	}
	f.Fuzz(func(t *testing.T, ref string) {
		agent, name, grant, err := parseRef(ref)
		if err != nil {
			if mft.CodeOf(err) != mft.CodeBadPath || strings.Contains(err.Error(), "sig") && strings.Contains(err.Error(), "=") {
				t.Fatalf("parseRef: %v", err)
			}
			return
		}
		if _, bad := mft.ParseAgentName(agent); bad != nil || exchange.CheckName(name) != nil || !strings.HasPrefix(ref, agent+"/"+name+"?") {
			t.Fatalf("parseRef(%q) = %q, %q", ref, agent, name)
		}
		if grant.Get("sp") != "r" || grant.Get("sr") != "b" || grant.Has("comp") || grant.Has("snapshot") || grant.Has("versionid") {
			t.Fatalf("parseRef(%q) lets %v through", ref, grant)
		}
	})
}

// A fakeToken is what Azurite takes for one of Entra: it looks at what the
// token says and not at its signature.
type fakeToken struct{ asked atomic.Int64 }

func (f *fakeToken) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	f.asked.Add(1)
	now := time.Now()
	claims, err := json.Marshal(map[string]any{
		"aud": "https://storage.azure.com", "iss": "https://sts.windows.net/ab1f708d-50f6-404c-a006-d71b2ac7a606/", "iat": now.Unix() - 60, "nbf": now.Unix() - 60,
		"exp": now.Add(time.Hour).Unix(), "oid": "23657296-5cd5-45b0-a809-d972a7f4dfe1", "tid": "ab1f708d-50f6-404c-a006-d71b2ac7a606", "sub": "x", "ver": "1.0",
	})
	if err != nil {
		return azcore.AccessToken{}, err
	}
	enc := base64.RawURLEncoding.EncodeToString
	return azcore.AccessToken{Token: enc([]byte(`{"typ":"JWT","alg":"RS256"}`)) + "." + enc(claims) + "." + enc([]byte("signature")), ExpiresOn: now.Add(time.Hour)}, nil
}

// secure starts an Azurite of its own, with TLS and tokens, and returns how to
// get at it.
func secure(t *testing.T) (azurite, *http.Transport) {
	t.Helper()
	command := azuriteCommand()
	if command == nil {
		missing(t)
	}
	dir := t.TempDir()
	certificate, key, pool := selfSigned(t)
	for name, content := range map[string][]byte{"cert.pem": certificate, "key.pem": key} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	stop, a, err := start(command, "--oauth", "basic", "--cert", filepath.Join(dir, "cert.pem"), "--key", filepath.Join(dir, "key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: pool},
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			_, port, err := net.SplitHostPort(address)
			if err != nil {
				return nil, err
			}
			return new(net.Dialer).DialContext(ctx, network, "127.0.0.1:"+port)
		},
	}
	_, blobs, _ := net.SplitHostPort(a.blobs)
	_, queues, _ := net.SplitHostPort(a.queues)
	return azurite{emulated + ".blob.localhost:" + blobs, emulated + ".queue.localhost:" + queues}, transport
}

func selfSigned(t *testing.T) (certificate, key []byte, pool *x509.CertPool) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	is := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature, DNSNames: []string{emulated + ".blob.localhost", emulated + ".queue.localhost"},
	}
	der, err := x509.CreateCertificate(rand.Reader, is, is, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	made, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool = x509.NewCertPool()
	pool.AddCert(made)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}), pool
}

// TestDelegatedGrant grants with a key that the storage lends to an identity.
func TestDelegatedGrant(t *testing.T) {
	a, transport := secure(t)
	c := a.config("delegating")
	c.BlobURL, c.QueueURL = "https://"+a.blobs, "https://"+a.queues
	c.Credential.AccountKey = nil
	c.Credential.ManagedIdentity = &account.ManagedIdentity{}
	token, again := &fakeToken{}, &resigner{to: transport}
	s := openWith(t, c, token, again)
	setUp(t, s)
	whole := []byte("content")
	g := granted(t, s, "object", whole)
	fields, err := url.ParseQuery(g.Ref[strings.Index(g.Ref, "?")+1:])
	if err != nil || fields.Get("skoid") == "" || fields.Get("sp") != "r" || fields.Get("sr") != "b" || fields.Get("spr") != "https" {
		t.Errorf("the grant says %q, want a delegated one, to read one object, with TLS", fields)
	}
	reader := openWith(t, c, &noToken{t}, again).Exchange().Reader
	got := make([]byte, len(whole))
	if err := reader.Read(patient(t), g.Ref, 0, got); err != nil || !bytes.Equal(got, whole) {
		t.Errorf("Read by a delegated grant: %q, %v", got, err)
	}
	for range 3 {
		if _, err := s.Exchange().Container.Grant(patient(t), "object", time.Minute); err != nil {
			t.Error(err)
		}
	}
	if n := again.keys.Load(); n != 1 {
		t.Errorf("the storage lent %d keys, want one for all grants", n)
	}
	for _, f := range s.Check(patient(t), "") {
		if !f.OK {
			t.Errorf("Check: %+v", f)
		}
	}
}

// noToken fails a test that asks for a token: who reads by a grant has none.
type noToken struct{ t *testing.T }

func (n *noToken) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	n.t.Error("a token is asked for")
	return azcore.AccessToken{Token: "x", ExpiresOn: time.Now().Add(time.Hour)}, nil
}

// A resigner signs delegated grants anew, as storage of an earlier version
// wants it: the SDK signs for a version that Azurite does not know yet. All that
// the grant says stays as it is, and the key is the one that was lent.
type resigner struct {
	to   http.RoundTripper
	keys atomic.Int64
	mu   sync.Mutex
	key  []byte
}

func (r *resigner) RoundTrip(req *http.Request) (*http.Response, error) {
	query := req.URL.Query()
	if query.Has("skoid") {
		const version = "2025-07-05"
		r.mu.Lock()
		mac := hmac.New(sha256.New, r.key)
		r.mu.Unlock()
		fmt.Fprint(mac, strings.Join([]string{
			query.Get("sp"), query.Get("st"), query.Get("se"), "/blob/" + emulated + req.URL.Path, query.Get("skoid"), query.Get("sktid"),
			query.Get("skt"), query.Get("ske"), query.Get("sks"), query.Get("skv"), "", "", "", "", "", "", query.Get("spr"), version, query.Get("sr"),
			"", "", "", "", "", "", "",
		}, "\n"))
		query.Set("sv", version)
		query.Set("sig", base64.StdEncoding.EncodeToString(mac.Sum(nil)))
		req = req.Clone(req.Context())
		req.URL.RawQuery = query.Encode()
	}
	resp, err := r.to.RoundTrip(req)
	if err != nil || query.Get("comp") != "userdelegationkey" {
		return resp, err
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	_ = resp.Body.Close()
	if _, after, ok := strings.Cut(string(body), "<Value>"); ok {
		value, _, _ := strings.Cut(after, "<")
		r.mu.Lock()
		r.key, _ = base64.StdEncoding.DecodeString(value)
		r.mu.Unlock()
		r.keys.Add(1)
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return resp, err
}

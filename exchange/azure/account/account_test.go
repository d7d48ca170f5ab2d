package account

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"mft.dev/mft"
)

const someKey = "c29tZSBrZXk="

func value(s string) Secret { return func() (string, error) { return s, nil } }

// config is a good one of its own, changed by with.
func config(with func(*Config)) Config {
	c := Config{Agent: "alpha", Account: "exchange1", Credential: Credential{AccountKey: value(someKey)}}
	if with != nil {
		with(&c)
	}
	return c
}

func TestOpen(t *testing.T) {
	managed := Credential{ManagedIdentity: &ManagedIdentity{}}
	pemFile := selfSigned(t)
	for name, c := range map[string]struct {
		with      func(*Config)
		blob      string // the endpoint, "" when it is refused
		authority string
		code      mft.Code
	}{
		"public":  {nil, "https://exchange1.blob.core.windows.net", "https://login.microsoftonline.com/", ""},
		"china":   {func(c *Config) { c.Suffix = "core.chinacloudapi.cn" }, "https://exchange1.blob.core.chinacloudapi.cn", "https://login.chinacloudapi.cn/", ""},
		"us":      {func(c *Config) { c.Suffix = "core.usgovcloudapi.net"; c.Credential = managed }, "https://exchange1.blob.core.usgovcloudapi.net", "https://login.microsoftonline.us/", ""},
		"unknown": {func(c *Config) { c.Suffix = "core.example"; c.Credential = managed }, "", "", mft.CodeConfig},
		"unknown with its authority": {func(c *Config) {
			c.Suffix, c.Authority, c.Credential = "core.example", "https://login.example/", managed
		}, "https://exchange1.blob.core.example", "https://login.example/", ""},
		"authority without TLS": {func(c *Config) { c.Authority = "http://login.example/" }, "", "", mft.CodeConfig},
		"private link": {func(c *Config) {
			c.BlobURL, c.QueueURL, c.Credential = "https://exchange1.privatelink.blob.core.windows.net/", "https://exchange1.privatelink.queue.core.windows.net", managed
		}, "https://exchange1.privatelink.blob.core.windows.net", "https://login.microsoftonline.com/", ""},
		"a private name with a key": {func(c *Config) { c.BlobURL, c.QueueURL = "https://files.example", "https://letters.example" }, "https://files.example", "https://login.microsoftonline.com/", ""},
		"a private name with Entra": {func(c *Config) {
			c.BlobURL, c.QueueURL, c.Credential = "https://files.example", "https://letters.example", managed
		}, "", "", mft.CodeConfig},
		"emulator": {func(c *Config) {
			c.Account, c.BlobURL, c.QueueURL = emulatorAccount, "http://127.0.0.1:10000/devstoreaccount1", "http://127.0.0.1:10001/devstoreaccount1/"
		}, "http://127.0.0.1:10000/devstoreaccount1", "https://login.microsoftonline.com/", ""},
		"plain HTTP":              {func(c *Config) { c.BlobURL, c.QueueURL = "http://files.example", "https://letters.example" }, "", "", mft.CodeConfig},
		"plain HTTP of the queue": {func(c *Config) { c.BlobURL, c.QueueURL = "https://files.example", "http://letters.example" }, "", "", mft.CodeConfig},
		"one URL":                 {func(c *Config) { c.BlobURL = "https://files.example" }, "", "", mft.CodeConfig},
		"a SAS in the URL": {func(c *Config) {
			c.BlobURL, c.QueueURL = "https://files.example/?sig=hidden", "https://letters.example"
		}, "", "", mft.CodeConfig},
		"a user in the URL": {func(c *Config) { c.BlobURL, c.QueueURL = "https://u:hidden@files.example/", "https://letters.example" }, "", "", mft.CodeConfig},
		"a path":            {func(c *Config) { c.BlobURL, c.QueueURL = "https://files.example/a/b", "https://letters.example" }, "", "", mft.CodeConfig},
		"no account":        {func(c *Config) { c.Account = "" }, "", "", mft.CodeConfig},
		"no such account":   {func(c *Config) { c.Account = "evil.example/" }, "", "", mft.CodeConfig},
		"a short name":      {func(c *Config) { c.Agent = "ab" }, "", "", mft.CodeBadName},
		"no name":           {func(c *Config) { c.Agent = "A_B" }, "", "", mft.CodeBadName},
		"a reserved name":   {func(c *Config) { c.Agent = "publickeys" }, "", "", mft.CodeBadName},
		"no credential":     {func(c *Config) { c.Credential = Credential{} }, "", "", mft.CodeConfig},
		"two credentials":   {func(c *Config) { c.Credential.ManagedIdentity = &ManagedIdentity{} }, "", "", mft.CodeConfig},
		"no base64":         {func(c *Config) { c.Credential.AccountKey = value("hidden!") }, "", "", mft.CodeConfig},
		"an empty key":      {func(c *Config) { c.Credential.AccountKey = value(" \n") }, "", "", mft.CodeConfig},
		"no file of a key": {func(c *Config) {
			c.Credential.AccountKey = func() (string, error) { return "", errors.New("no such file") }
		}, "", "", mft.CodeConfig},
		"an empty SAS": {func(c *Config) { c.Credential = Credential{SAS: &SAS{}} }, "", "", mft.CodeConfig},
		"both kinds of SAS": {func(c *Config) {
			c.Credential = Credential{SAS: &SAS{Account: value("x"), Queue: value("x")}}
		}, "", "", mft.CodeConfig},
		"a client secret": {func(c *Config) {
			c.Credential = Credential{ClientSecret: &ClientSecret{TenantID: "t", ClientID: "c", Secret: value("hidden")}}
		}, "https://exchange1.blob.core.windows.net", "https://login.microsoftonline.com/", ""},
		"a client secret without tenant": {func(c *Config) {
			c.Credential = Credential{ClientSecret: &ClientSecret{TenantID: "a b?", ClientID: "c", Secret: value("hidden")}}
		}, "", "", mft.CodeConfig},
		"a certificate": {func(c *Config) {
			c.Credential = Credential{Certificate: &Certificate{TenantID: "t", ClientID: "c", Content: value(pemFile)}}
		}, "https://exchange1.blob.core.windows.net", "https://login.microsoftonline.com/", ""},
		"no certificate": {func(c *Config) {
			c.Credential = Credential{Certificate: &Certificate{TenantID: "t", ClientID: "c", Content: value("hidden")}}
		}, "", "", mft.CodeConfig},
		"a workload identity": {func(c *Config) {
			c.Credential = Credential{WorkloadIdentity: &WorkloadIdentity{TenantID: "t", ClientID: "c", TokenFile: "token"}}
		}, "https://exchange1.blob.core.windows.net", "https://login.microsoftonline.com/", ""},
	} {
		t.Run(name, func(t *testing.T) {
			a, err := Open(config(c.with), Parts{})
			if err == nil {
				defer a.Close()
			}
			if want := cmp.Or(c.code, mft.CodeOK); mft.CodeOf(err) != want {
				t.Fatalf("Open: %v, want code %q", err, want)
			}
			if err != nil {
				if strings.Contains(err.Error(), "hidden") {
					t.Errorf("the error tells a secret: %v", err)
				}
				return
			}
			if got := a.place.blob.String(); got != c.blob || a.place.cloud.ActiveDirectoryAuthorityHost != c.authority {
				t.Errorf("Open: %q with tokens from %q, want %q, %q", got, a.place.cloud.ActiveDirectoryAuthorityHost, c.blob, c.authority)
			}
		})
	}
}

func selfSigned(t *testing.T) string {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)},
		&x509.Certificate{SerialNumber: big.NewInt(1)}, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})) + string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}))
}

func TestNotes(t *testing.T) {
	for name, c := range map[string]struct {
		credential Credential
		want       int
		says       string
	}{
		"managed identity": {Credential{ManagedIdentity: &ManagedIdentity{}}, 0, ""},
		"account key":      {Credential{AccountKey: value(someKey)}, 1, "all others"},
		"account SAS":      {Credential{SAS: &SAS{Account: value("x")}}, 2, "receive"},
		"SAS":              {Credential{SAS: &SAS{Queue: value("x")}}, 1, "receive"},
		"client secret":    {Credential{ClientSecret: &ClientSecret{}}, 1, "copied"},
	} {
		t.Run(name, func(t *testing.T) {
			got := Config{Credential: c.credential}.Notes()
			if len(got) != c.want || !strings.Contains(strings.Join(got, " "), c.says) {
				t.Errorf("Notes: %q, want %d, with %q", got, c.want, c.says)
			}
		})
	}
}

// TestTokenRefused has Entra refuse a client: its own words are not passed on,
// its code is.
func TestTokenRefused(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		body   string
		want   mft.Code
		says   string
	}{
		"a wrong secret": {401, `{"error":"invalid_client","error_description":"AADSTS7000215: Invalid client secret 'hidden' is provided."}`, mft.CodeNotAllowed, "AADSTS7000215"},
		"no page":        {404, `<html>hidden</html>`, mft.CodeNotAllowed, "status 404"},
		"it is down":     {503, `hidden`, mft.CodeUnreachable, "status 503"},
	} {
		t.Run(name, func(t *testing.T) {
			entra := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				if strings.HasSuffix(r.URL.Path, "/openid-configuration") {
					host := "https://" + r.Host
					fmt.Fprintf(w, `{"issuer":"%[1]s/t/v2.0","authorization_endpoint":"%[1]s/t/authorize","token_endpoint":"%[1]s/t/token"}`, host)
					return
				}
				w.WriteHeader(c.status)
				_, _ = io.WriteString(w, c.body)
			}))
			defer entra.Close()
			a, err := Open(config(func(k *Config) {
				k.Authority = entra.URL
				k.Credential = Credential{ClientSecret: &ClientSecret{TenantID: "t", ClientID: "c", Secret: value("hidden")}}
			}), Parts{Transport: entra.Client().Transport, Retry: &policy.RetryOptions{MaxRetries: -1}})
			if err != nil {
				t.Fatal(err)
			}
			defer a.Close()
			_, err = a.Queues.NewQueueClient("alpha").GetProperties(t.Context(), nil)
			err = Failure(t.Context(), "look", "alpha", err)
			if mft.CodeOf(err) != c.want || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "hidden") {
				t.Errorf("%v, want code %s and %q, and not what Entra says", err, c.want, c.says)
			}
		})
	}
}

func TestFailure(t *testing.T) {
	done, cancel := context.WithCancel(t.Context())
	cancel()
	late, stop := context.WithTimeout(t.Context(), -1)
	defer stop()
	answer := func(status int, code string) error { return &azcore.ResponseError{StatusCode: status, ErrorCode: code} }
	for name, c := range map[string]struct {
		ctx  context.Context
		err  error
		want mft.Code
	}{
		"nothing":              {done, nil, mft.CodeOK},
		"cancelled":            {done, io.ErrUnexpectedEOF, mft.CodeCancelled},
		"out of time":          {late, io.ErrUnexpectedEOF, mft.CodeTimeout},
		"a code of ours":       {t.Context(), fmt.Errorf("x: %w", mft.Fail(mft.CodeConfig, "read", "", nil)), mft.CodeConfig},
		"401":                  {t.Context(), answer(401, ""), mft.CodeNotAllowed},
		"403":                  {t.Context(), answer(403, "Whatever"), mft.CodeNotAllowed},
		"404":                  {t.Context(), answer(404, "QueueNotFound"), mft.CodeNotFound},
		"409 exists":           {t.Context(), answer(409, "BlobAlreadyExists"), mft.CodeExists},
		"409 being deleted":    {t.Context(), answer(409, "QueueBeingDeleted"), mft.CodeUnreachable},
		"412":                  {t.Context(), answer(412, ""), mft.CodeExists},
		"413":                  {t.Context(), answer(413, "RequestBodyTooLarge"), mft.CodeTooLarge},
		"416":                  {t.Context(), answer(416, "InvalidRange"), mft.CodeNotFound},
		"429":                  {t.Context(), answer(429, ""), mft.CodeUnreachable},
		"500":                  {t.Context(), answer(500, "InternalError"), mft.CodeUnreachable},
		"503":                  {t.Context(), answer(503, "ServerBusy"), mft.CodeUnreachable},
		"507":                  {t.Context(), answer(507, ""), mft.CodeNoSpace},
		"302":                  {t.Context(), answer(302, ""), mft.CodeProtocol},
		"400":                  {t.Context(), answer(400, "InvalidHeaderValue"), mft.CodeProtocol},
		"a try out of time":    {t.Context(), context.DeadlineExceeded, mft.CodeUnreachable},
		"a broken connection":  {t.Context(), io.ErrUnexpectedEOF, mft.CodeDisconnected},
		"too long":             {t.Context(), fmt.Errorf("reading: %w", errTooLong), mft.CodeProtocol},
		"final without a code": {t.Context(), final{errors.New("no token")}, mft.CodeNotAllowed},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Failure(c.ctx, "do", "it", c.err); mft.CodeOf(got) != c.want {
				t.Errorf("Failure: %v, want code %s", got, c.want)
			}
		})
	}
	if err := Failure(done, "do", "it", io.EOF); !errors.Is(err, context.Canceled) {
		t.Errorf("the end of the context is not in the chain of %v", err)
	}
}

func FuzzScrub(f *testing.F) {
	for _, s := range []string{
		"", `Get "https://a.blob/c?sv=1&sig=S3CR3T%3D": EOF`, "sig=S3CR3T", "AccountKey=S3CR3T;x", "Authorization: Bearer S3CR3T", "SharedKey dev:S3CR3T",
		"x?\nsig=S3CR3T", "\xff?sig=S3CR3T",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		s = strings.ReplaceAll(s, "S3CR3T", "")
		if got := scrub(s); len(got) > 310 || strings.ContainsAny(got, "\n\r") {
			t.Errorf("scrub(%q) = %q", s, got)
		}
		if got := scrub("https://host/path?" + strings.Join(strings.Fields("sig=S3CR3T"+s), "&")); strings.Contains(got, "S3CR3T") {
			t.Errorf("scrub leaves a secret: %q", got)
		}
	})
}

// TestAnswersAreBounded has the storage answer without end.
func TestAnswersAreBounded(t *testing.T) {
	b := &boundedBody{body: io.NopCloser(strings.NewReader(strings.Repeat("x", 100))), left: 10}
	got, err := io.ReadAll(b)
	if len(got) != 10 || !errors.Is(err, errTooLong) {
		t.Errorf("read %d bytes, %v; want 10 and that it is too long", len(got), err)
	}
	b = &boundedBody{body: io.NopCloser(strings.NewReader("0123456789")), left: 10}
	if got, err := io.ReadAll(b); string(got) != "0123456789" || err != nil {
		t.Errorf("read %q, %v; want all of what is as long as it may be", got, err)
	}
}

// TestSASIsReadAnew renews a SAS while it is in use.
func TestSASIsReadAnew(t *testing.T) {
	var seen []string
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { seen = append(seen, r.URL.Query().Get("sig")) }))
	defer server.Close()
	n := 0
	a, err := Open(config(func(c *Config) {
		c.Account, c.BlobURL, c.QueueURL = emulatorAccount, server.URL, server.URL
		c.Credential = Credential{SAS: &SAS{Queue: func() (string, error) { n++; return fmt.Sprintf("?sv=1&sig=%d\n", n), nil }}}
	}), Parts{})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	for range 2 {
		if _, err := a.Queues.NewQueueClient("alpha").GetProperties(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := a.Queues.NewQueueClient("beta").GetProperties(t.Context(), nil); mft.CodeOf(Failure(t.Context(), "", "", err)) != mft.CodeNotAllowed {
		t.Errorf("a queue without a SAS: %v", err)
	}
	if fmt.Sprint(seen) != "[1 2]" {
		t.Errorf("the storage saw signatures %v, want 1 and 2", seen)
	}
}

// TestRedirectsAreNotFollowed has the storage send us elsewhere.
func TestRedirectsAreNotFollowed(t *testing.T) {
	var asked atomic.Int64
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	defer elsewhere.Close()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, elsewhere.URL+"/?"+r.URL.RawQuery, http.StatusTemporaryRedirect)
	}))
	defer server.Close()
	a, err := Open(config(func(c *Config) {
		c.Account, c.BlobURL, c.QueueURL = emulatorAccount, server.URL, server.URL
		c.Credential = Credential{SAS: &SAS{Account: value("sig=hidden")}}
	}), Parts{})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	_, err = a.Queues.NewQueueClient("alpha").GetProperties(t.Context(), nil)
	if err := Failure(t.Context(), "look", "alpha", err); mft.CodeOf(err) != mft.CodeProtocol || asked.Load() != 0 {
		t.Errorf("a redirect: %v, followed %d times; want PROTOCOL, and not once", err, asked.Load())
	}
}

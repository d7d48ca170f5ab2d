package nats

import (
	"bytes"
	"encoding/json"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"

	"mft.dev/mft"
	"mft.dev/mft/exchange"
	"mft.dev/mft/exchange/nats/cluster"
)

// TestKept: what was acknowledged is there after the server was stopped, and the
// agents come to it again by themselves.
func TestKept(t *testing.T) {
	store := t.TempDir()
	port := server.RANDOM_PORT
	up := func() *server.Server {
		return serve(t, func(o *server.Options) { o.StoreDir, o.Port = store, port })
	}
	at := up()
	port = at.Addr().(*net.TCPAddr).Port
	a := newAgent(t, at, "alpha")
	x := a.Exchange()
	body := bytes.Repeat([]byte("content "), 200_000) // several chunks
	if err := x.Queue.Put(t.Context(), "alpha", []byte("letter")); err != nil {
		t.Fatal(err)
	}
	if err := x.Container.Stage(t.Context(), "object", 0, body); err != nil {
		t.Fatal(err)
	}
	at.Shutdown()
	at.WaitForShutdown()
	if err := x.Queue.Put(t.Context(), "alpha", []byte("x")); mft.CodeOf(err) != mft.CodeUnreachable {
		t.Errorf("Put without a server: %v, want code %s", err, mft.CodeUnreachable)
	}
	again := newAgent(t, up(), "alpha").Exchange()
	if err := again.Container.Publish(t.Context(), "object", 1); err != nil {
		t.Fatalf("Publish after the server came back: %v", err)
	}
	g, err := again.Container.Grant(t.Context(), "object", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(body))
	if err := again.Reader.Read(t.Context(), g.Ref, 0, got); err != nil || !bytes.Equal(got, body) {
		t.Errorf("Read after the server came back: %v, or other content", err)
	}
	letters, err := again.Queue.Take(t.Context(), 2, long)
	if err != nil || len(letters) != 1 || string(letters[0].Body) != "letter" {
		t.Errorf("Take after the server came back: %d letters, %v; want one", len(letters), err)
	}
}

// TestUsualLease: the lease that the consumer is made for takes no further
// message, and is renewed by progress.
func TestUsualLease(t *testing.T) {
	s := newAgent(t, serve(t, nil), "alpha")
	q := queue{s}
	if err := q.Put(t.Context(), "alpha", []byte("letter")); err != nil {
		t.Fatal(err)
	}
	letters, err := q.Take(t.Context(), 1, usualLease)
	if err != nil || len(letters) != 1 {
		t.Fatalf("Take: %d, %v", len(letters), err)
	}
	l := letters[0]
	before := l.Claim
	if err := q.Renew(t.Context(), &l, usualLease); err != nil || l.Claim == before {
		t.Errorf("Renew: %v, the claim changed: %v", err, l.Claim != before)
	}
	if again, err := q.Take(t.Context(), 1, usualLease); err != nil || len(again) != 0 {
		t.Errorf("Take of a letter that is renewed: %d, %v", len(again), err)
	}
	for name, claim := range map[string]string{
		"none":             "",
		"of no subject":    "9999999999999999999 x $JS.API.STREAM.DELETE.mft-queue-alpha",
		"of another queue": strings.ReplaceAll(l.Claim, "mft-queue-alpha", "mft-queue-beta"),
		"a pattern":        l.Claim + ".>",
	} {
		other := exchange.Letter{ID: l.ID, Claim: claim}
		if err := q.Remove(t.Context(), &other); mft.CodeOf(err) != mft.CodeUsage {
			t.Errorf("Remove with a claim that is %s: %v, want code %s", name, err, mft.CodeUsage)
		}
	}
	if err := q.Remove(t.Context(), &l); err != nil {
		t.Errorf("Remove: %v", err)
	}
	if err := q.Renew(t.Context(), &l, usualLease); mft.CodeOf(err) != mft.CodeNotFound {
		t.Errorf("Renew of what was removed: %v, want code %s", err, mft.CodeNotFound)
	}
}

// TestForeign: the reader believes nothing of what lies in another's box, and
// nobody's letters are longer than letters are.
func TestForeign(t *testing.T) {
	at := serve(t, nil)
	alpha, beta := newAgent(t, at, "alpha"), newAgent(t, at, "beta")
	put := func(subject string, data any) {
		t.Helper()
		body, _ := json.Marshal(data)
		if _, err := alpha.cluster.Store(t.Context(), boxStream("alpha"), boxOf("alpha")+"."+subject, body, nil); err != nil {
			t.Fatal(err)
		}
	}
	secret, grant := token(), token()
	for name, r := range map[string]struct {
		lies any
		want mft.Code
	}{
		"no record":            {"text", mft.CodeProtocol},
		"no secret":            {record{Blocks: 1, Block: 10, Size: 10}, mft.CodeProtocol},
		"a pattern":            {record{Secret: ">", Blocks: 1, Block: 10, Size: 10}, mft.CodeProtocol},
		"blocks of nothing":    {record{Secret: secret, Blocks: 3, Size: 10}, mft.CodeProtocol},
		"more than its blocks": {record{Secret: secret, Blocks: 1, Block: 10, Size: 1 << 40}, mft.CodeProtocol},
		"less than nothing":    {record{Secret: secret, Blocks: 1, Block: 10, Size: -1}, mft.CodeProtocol},
		"a huge block":         {record{Secret: secret, Blocks: 1, Block: 1 << 40, Size: 1 << 40}, mft.CodeProtocol},
		"nothing behind it":    {record{Secret: secret, Blocks: 1, Block: 10, Size: 10}, mft.CodeNotFound},
	} {
		put("g."+grant, r.lies)
		err := reader{beta}.Read(t.Context(), "alpha/"+grant, 0, make([]byte, 10))
		if code := mft.CodeOf(err); code != r.want {
			t.Errorf("%s: Read: %v, want code %s", name, err, r.want)
		}
	}
	put("g."+grant, record{Secret: secret, Blocks: 1, Block: 10, Size: 10})
	for name, s := range map[string]struct {
		lies staged
		want mft.Code
	}{
		"another length":    {staged{token()[:16], 11}, mft.CodeCorrupt},
		"a pattern":         {staged{"*", 10}, mft.CodeCorrupt},
		"nothing behind it": {staged{token()[:16], 10}, mft.CodeNotFound},
	} {
		put("b."+secret+".0", s.lies)
		err := reader{beta}.Read(t.Context(), "alpha/"+grant, 0, make([]byte, 10))
		if code := mft.CodeOf(err); code != s.want {
			t.Errorf("a block with %s: Read: %v, want code %s", name, err, s.want)
		}
	}
	long := make([]byte, exchange.MaxLetter+500)
	if _, err := alpha.cluster.Store(t.Context(), queueStream("beta"), queueOf("beta"), long, nil); err != nil {
		t.Fatal(err)
	}
	letters, err := queue{beta}.Take(t.Context(), 1, usualLease)
	if err != nil || len(letters) != 1 || len(letters[0].Body) != exchange.MaxLetter {
		t.Errorf("Take of what is longer than a letter: %d, %v", len(letters), err)
	}
}

// TestCredentials: who proves nothing is told so at once, and no error tells what
// the proof would have been.
func TestCredentials(t *testing.T) {
	pair, _ := nkeys.CreateUser()
	public, _ := pair.PublicKey()
	seed, _ := pair.Seed()
	at := serve(t, func(o *server.Options) {
		o.Nkeys = []*server.NkeyUser{{Nkey: public}}
		o.Users = []*server.User{{Username: "erp", Password: "s3cret-word"}}
	})
	other, _ := nkeys.CreateUser()
	strange, _ := other.Seed()
	for _, c := range []struct {
		name string
		by   cluster.Credential
		want mft.Code
	}{
		{"nkey", cluster.Credential{Nkey: secret(string(seed) + "\n")}, mft.CodeOK},
		{"password", cluster.Credential{User: "erp", Password: secret("s3cret-word\n")}, mft.CodeOK},
		{"nkey of a stranger", cluster.Credential{Nkey: secret(string(strange))}, mft.CodeNotAllowed},
		{"wrong password", cluster.Credential{User: "erp", Password: secret("s3cret-wrong")}, mft.CodeNotAllowed},
		{"token of nobody", cluster.Credential{Token: secret("s3cret-token")}, mft.CodeNotAllowed},
		{"none", cluster.Credential{}, mft.CodeNotAllowed},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := open(t, cluster.Config{Agent: "erp", Servers: []string{at.ClientURL()}, Credential: c.by}, Options{})
			_, err := s.Setup(t.Context())
			if mft.CodeOf(err) != c.want || err != nil && strings.Contains(err.Error(), "s3cret") {
				t.Errorf("Setup: %v, want code %q and no secret", err, c.want)
			}
		})
	}
}

// TestRefusedAtOnce: what the server refuses does not wait for an answer that never
// comes, and tells no others apart from what was refused.
func TestRefusedAtOnce(t *testing.T) {
	at := guarded(t, false, "alpha", "beta")
	k, err := cluster.Open(cluster.Config{
		Agent: "alpha", Servers: []string{at.ClientURL()}, Patience: time.Hour,
		Credential: cluster.Credential{User: "alpha", Password: secret("secret of alpha")},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Close)
	s := New(k, Options{})
	if err := s.cluster.Ask(t.Context(), "STREAM.DELETE.mft-queue-beta", nil, nil); mft.CodeOf(cluster.Failure(t.Context(), "", "", err)) != mft.CodeNotAllowed {
		t.Errorf("deleting another's queue: %v", err)
	}
	if err := (queue{s}).Put(t.Context(), "gamma", []byte("x")); mft.CodeOf(err) != mft.CodeNotAllowed {
		t.Errorf("Put to a stranger: %v, want code %s", err, mft.CodeNotAllowed)
	}
}

func TestOpenRefuses(t *testing.T) {
	broken := func() (string, error) { return "", errors.New("file /x: no such file") }
	for name, c := range map[string]cluster.Config{
		"no agent":                  {Servers: []string{"nats://127.0.0.1"}},
		"no server":                 {Agent: "erp"},
		"a password in the URL":     {Agent: "erp", Servers: []string{"nats://me:s3cret@host"}},
		"another scheme":            {Agent: "erp", Servers: []string{"http://host"}},
		"a password in the clear":   {Agent: "erp", Servers: []string{"nats://host"}, Credential: cluster.Credential{User: "a", Password: secret("x")}},
		"two credentials":           {Agent: "erp", Servers: []string{"tls://host"}, Credential: cluster.Credential{Nkey: secret("x"), Token: secret("x")}},
		"a certificate and no key":  {Agent: "erp", Servers: []string{"tls://host"}, TLS: cluster.TLS{Cert: "x"}},
		"a seed that is none":       {Agent: "erp", Servers: []string{"tls://host"}, Credential: cluster.Credential{Nkey: secret("s3cret")}},
		"a seed that is not there":  {Agent: "erp", Servers: []string{"tls://host"}, Credential: cluster.Credential{Nkey: broken}},
		"creds that are none":       {Agent: "erp", Servers: []string{"tls://host"}, Credential: cluster.Credential{Creds: secret("s3cret")}},
		"a token that is not there": {Agent: "erp", Servers: []string{"tls://host"}, Credential: cluster.Credential{Token: broken}},
		"a password without a user": {Agent: "erp", Servers: []string{"tls://host"}, Credential: cluster.Credential{Password: secret("x")}},
	} {
		k, err := cluster.Open(c)
		if code := mft.CodeOf(err); code != mft.CodeConfig && code != mft.CodeBadName || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("Open with %s: %v, want code %s", name, err, mft.CodeConfig)
		}
		if k != nil {
			k.Close()
		}
	}
}

func FuzzRecord(f *testing.F) {
	good, _ := json.Marshal(record{State: published, Secret: strings.Repeat("a", 32), Blocks: 2, Block: 10, Size: 15})
	f.Add(good)
	f.Add([]byte(`{"secret":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","blocks":50000,"block":67108864,"size":3355443200000}`))
	f.Add([]byte(`{"size":-1}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var r record
		if r.parse(data) != nil {
			return
		}
		if !isToken(r.Secret) || r.Blocks > 0 && (r.Size <= int64(r.Blocks-1)*int64(r.Block) || r.Size > int64(r.Blocks)*int64(r.Block)) {
			t.Errorf("parse(%q) accepts %+v", data, r)
		}
	})
}

func FuzzParseRef(f *testing.F) {
	for _, seed := range []string{"erp/" + strings.Repeat("0f", 16), "erp/", "/", "e.p/>", strings.Repeat("a", 100)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, ref string) {
		agent, secret, err := parseRef(ref)
		if err == nil && (strings.ContainsAny(string(agent)+secret, ".*> /") || !isToken(secret)) {
			t.Errorf("parseRef(%q) accepts %q, %q", ref, agent, secret)
		}
	})
}

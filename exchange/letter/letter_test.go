package letter

import (
	"bytes"
	"crypto"
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mft.dev/mft"
	"mft.dev/mft/exchange"
	"mft.dev/mft/identity"
	"mft.dev/mft/identity/sealing"
	"mft.dev/mft/protocol"
)

func keysOf(t testing.TB, name mft.AgentName) (*identity.Keys, sealing.Key) {
	t.Helper()
	keys, err := identity.LoadOrCreate(t.TempDir(), name, time.Unix(1e9, 0))
	if err != nil {
		t.Fatal(err)
	}
	key, err := sealing.Parse(keys.Sealing(), name, keys.Certificate().PrivateKey.(crypto.Signer).Public().(ed25519.PublicKey))
	if err != nil {
		t.Fatal(err)
	}
	return keys, key
}

func envelope(body string) *protocol.Envelope {
	return &protocol.Envelope{
		Version: protocol.Version, Kind: protocol.KindOffer, Transfer: mft.TransferID{7}, Sender: "alpha", Recipient: "beta",
		Channel: "finance", Sequence: 3, Nonce: protocol.Nonce{1}, Issued: time.UnixMilli(1e12).UTC(), Expires: time.UnixMilli(2e12).UTC(),
		Body: []byte(body), KeyID: protocol.KeyID{4}, Signature: []byte("signature"),
	}
}

func TestLetter(t *testing.T) {
	keys, key := keysOf(t, "beta")
	want := envelope("secret/path/of/a/file")
	body, err := Seal(want, key)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Open(body, keys)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("what was opened is not what was sealed (-want +got):\n%s", diff)
	}
	for _, secret := range []string{"alpha", "beta", "finance", "secret"} {
		if bytes.Contains(body, []byte(secret)) {
			t.Errorf("%q stands in the letter", secret)
		}
	}
	if again, err := Seal(want, key); err != nil || bytes.Equal(again, body) {
		t.Errorf("the same letter sealed twice looks the same, or: %v", err)
	}
}

// TestReplacedKey: what was sealed to a key that was replaced meanwhile still
// opens.
func TestReplacedKey(t *testing.T) {
	keys, key := keysOf(t, "beta")
	body, err := Seal(envelope("x"), key)
	if err != nil {
		t.Fatal(err)
	}
	if err := keys.Rotate(time.Unix(1e9+60, 0), time.Hour); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(body, keys); err != nil {
		t.Error(err)
	}
}

func TestRefused(t *testing.T) {
	keys, key := keysOf(t, "beta")
	_, strange := keysOf(t, "gamma")
	good, err := Seal(envelope("x"), key)
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := Seal(envelope("x"), strange)
	if err != nil {
		t.Fatal(err)
	}
	turned := func(at int) []byte {
		b := bytes.Clone(good)
		if b[at] == 'A' {
			b[at] = 'B'
		} else {
			b[at] = 'A'
		}
		return b
	}
	for name, c := range map[string]struct {
		body []byte
		want mft.Code
	}{
		"empty":              {nil, mft.CodeProtocol},
		"too long":           {bytes.Repeat([]byte("A"), exchange.MaxLetter+1), mft.CodeProtocol},
		"no base64":          {[]byte("hello, world"), mft.CodeProtocol},
		"short":              {[]byte("AQ"), mft.CodeProtocol},
		"other version":      {turned(0), mft.CodeVersion},
		"other key named":    {turned(3), mft.CodeUntrusted},
		"sealed to another":  {foreign, mft.CodeUntrusted},
		"changed at the end": {turned(len(good) - 3), mft.CodeCorrupt},
		"cut":                {good[:len(good)/4*4-4], mft.CodeCorrupt},
	} {
		if _, err := Open(c.body, keys); mft.CodeOf(err) != c.want {
			t.Errorf("%s: code %s, want %s: %v", name, mft.CodeOf(err), c.want, err)
		}
	}
}

// TestLongest: the longest envelope that Seal takes fits a queue, and a longer
// one says what is wrong.
func TestLongest(t *testing.T) {
	_, key := keysOf(t, "beta")
	for keys := 1; keys <= MaxKeys; keys++ {
		to := slices.Repeat([]sealing.Key{key}, keys)
		n := maxEnvelope(keys) - len(protocol.AppendEnvelope(nil, envelope(""))) - 1
		body, err := Seal(envelope(strings.Repeat("x", n)), to...)
		if err != nil || len(body) > exchange.MaxLetter {
			t.Errorf("a letter of %d bytes, %v; %d are allowed", len(body), err, exchange.MaxLetter)
		}
		if _, err := Seal(envelope(strings.Repeat("x", n+2)), to...); mft.CodeOf(err) != mft.CodeTooLarge {
			t.Errorf("a longer one: %v, want code FILE_TOO_LARGE", err)
		}
	}
}

// TestSeveralKeys: each of several agents of one name opens a letter to all, and
// none of the others a letter to one.
func TestSeveralKeys(t *testing.T) {
	var agents []*identity.Keys
	var to []sealing.Key
	for range MaxKeys + 1 {
		keys, key := keysOf(t, "beta")
		agents, to = append(agents, keys), append(to, key)
	}
	want := envelope("x")
	all, err := Seal(want, to[:MaxKeys]...)
	if err != nil {
		t.Fatal(err)
	}
	for i, keys := range agents {
		got, err := Open(all, keys)
		if i < MaxKeys && (err != nil || cmp.Diff(want, got) != "") {
			t.Errorf("agent %d opened %+v, %v", i, got, err)
		}
		if i == MaxKeys && (mft.CodeOf(err) != mft.CodeUntrusted || !errors.Is(err, ErrOtherKey)) {
			t.Errorf("an agent that it is not for: %v, want another key, code UNTRUSTED", err)
		}
	}
	one, err := Seal(want, to[1])
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(one, agents[0]); !errors.Is(err, ErrOtherKey) {
		t.Errorf("a letter to another agent of the name: %v, want another key", err)
	}
	for _, n := range []int{0, MaxKeys + 1} {
		if _, err := Seal(want, to[:n]...); mft.CodeOf(err) != mft.CodeUsage {
			t.Errorf("sealed to %d keys: %v, want code USAGE", n, err)
		}
	}
	// A slot that was taken from another letter makes the whole unreadable.
	raw := func(b []byte) []byte {
		out, err := base64.RawStdEncoding.DecodeString(string(b))
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	other, err := Seal(want, to[0], to[1])
	if err != nil {
		t.Fatal(err)
	}
	two, err := Seal(want, to[0], to[1])
	if err != nil {
		t.Fatal(err)
	}
	mixed := raw(two)
	copy(mixed[2+slotSize:2+2*slotSize], raw(other)[2+slotSize:])
	if _, err := Open([]byte(base64.RawStdEncoding.EncodeToString(mixed)), agents[0]); mft.CodeOf(err) != mft.CodeCorrupt {
		t.Errorf("the slot of another was exchanged: %v, want code CORRUPT", err)
	}
}

func FuzzOpen(f *testing.F) {
	keys, key := keysOf(f, "beta")
	good, err := Seal(envelope("x"), key)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte("AQ"))
	f.Fuzz(func(t *testing.T, body []byte) {
		if e, err := Open(body, keys); err == nil && e.Transfer.IsZero() {
			t.Error("an envelope without a transfer was opened")
		}
	})
}

func FuzzUnseal(f *testing.F) {
	private, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	sealed, err := sealing.Seal(private.PublicKey(), "a", []byte("content"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sealed, "a")
	f.Add(sealed, "b")
	f.Fuzz(func(t *testing.T, p []byte, label string) {
		plain, err := sealing.Open(private, label, p)
		if fits := bytes.Equal(p, sealed) && label == "a"; fits != (err == nil) {
			t.Errorf("opened %q: %v, and it fits: %v", plain, err, fits)
		}
	})
}

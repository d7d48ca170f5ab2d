package letter

import (
	"bytes"
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/rand"
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
	key, err := sealing.Parse(keys.Sealing(), name, keys.Certificate().PrivateKey.(ed25519.PrivateKey).Public().(ed25519.PublicKey))
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
	if again, _ := Seal(want, key); bytes.Equal(again, body) {
		t.Error("the same letter sealed twice looks the same")
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
	n := maxEnvelope - len(protocol.AppendEnvelope(nil, envelope(""))) - 1
	body, err := Seal(envelope(strings.Repeat("x", n)), key)
	if err != nil || len(body) > exchange.MaxLetter {
		t.Errorf("a letter of %d bytes, %v; %d are allowed", len(body), err, exchange.MaxLetter)
	}
	if _, err := Seal(envelope(strings.Repeat("x", n+2)), key); mft.CodeOf(err) != mft.CodeTooLarge {
		t.Errorf("a longer one: %v, want code FILE_TOO_LARGE", err)
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

package holder

import (
	"bytes"
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/tls"
	"errors"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/identity"
	"mft.dev/mft/identity/keyring"
	"mft.dev/mft/identity/sealing"
	"mft.dev/mft/internal/restrict"
	"mft.dev/mft/protocol"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// asked makes keys of erp, with somebody who has them and somebody who asks.
func asked(t testing.TB) (*keyring.Keeper, *Client) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "keys.json")
	if err := keyring.Create(path, "erp", start); err != nil {
		t.Fatal(err)
	}
	keeper, err := keyring.Open(path, "erp", start)
	if err != nil {
		t.Fatal(err)
	}
	ours, theirs := net.Pipe()
	served := make(chan error, 1)
	go func() { served <- Serve(theirs, "erp", keeper, restrict.Report{Role: restrict.RoleKeys, UID: 7}) }()
	client, err := Open(ours)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = client.Close()
		if err := <-served; err != nil {
			t.Errorf("Serve = %v", err)
		}
	})
	return keeper, client
}

func keyID(t testing.TB, k *keyring.Keeper) [16]byte {
	t.Helper()
	id, err := keyring.KeyID(k.Public().Signing[0].Key)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func envelope(key [16]byte, sender mft.AgentName) *protocol.Envelope {
	return &protocol.Envelope{
		Version: protocol.Version, Kind: protocol.KindOffer, Transfer: mft.TransferID{1}, Sender: sender, Recipient: "ledger",
		Sequence: 1, Issued: start, Expires: start.Add(time.Minute), Body: []byte("body"), KeyID: key,
	}
}

func proof(context string, hash int) []byte {
	return append([]byte(strings.Repeat(" ", 64)+context+"\x00"), make([]byte, hash)...)
}

// TestSign: what an agent signs is signed, by the key that it names; nothing else
// is.
func TestSign(t *testing.T) {
	keeper, client := asked(t)
	key := keyID(t, keeper)
	other := [16]byte{9}
	const server, peer = "TLS 1.3, server CertificateVerify", "TLS 1.3, client CertificateVerify"
	good := envelope(key, "erp").SigningBytes()
	for _, tt := range []struct {
		name    string
		sign    func([16]byte, []byte) ([]byte, error)
		key     [16]byte
		message []byte
		want    mft.Code
	}{
		{"an envelope", client.SignEnvelope, key, good, mft.CodeOK},
		{"one of another agent", client.SignEnvelope, key, envelope(key, "ledger").SigningBytes(), mft.CodeNotSigned},
		{"one that names another key", client.SignEnvelope, key, envelope(other, "erp").SigningBytes(), mft.CodeNotSigned},
		{"by a key that is not there", client.SignEnvelope, other, envelope(other, "erp").SigningBytes(), mft.CodeUntrusted},
		{"with a byte more", client.SignEnvelope, key, append(bytes.Clone(good), 0), mft.CodeNotSigned},
		{"cut", client.SignEnvelope, key, good[:len(good)-1], mft.CodeNotSigned},
		{"without a label", client.SignEnvelope, key, good[1:], mft.CodeNotSigned},
		{"a proof as an envelope", client.SignEnvelope, key, proof(server, 32), mft.CodeNotSigned},
		{"the statement of a sealing key", client.SignEnvelope, key, []byte("mft sealing key v1\x00\x03erp"), mft.CodeNotSigned},
		{"nothing", client.SignEnvelope, key, nil, mft.CodeNotSigned},
		{"the proof of a server", client.SignHandshake, key, proof(server, 32), mft.CodeOK},
		{"the proof of a client, SHA-384", client.SignHandshake, key, proof(peer, 48), mft.CodeOK},
		{"a proof by a key that is not there", client.SignHandshake, other, proof(peer, 48), mft.CodeUntrusted},
		{"another context", client.SignHandshake, key, proof("TLS 1.3, exporter", 32), mft.CodeNotSigned},
		{"a hash of another length", client.SignHandshake, key, proof(server, 33), mft.CodeNotSigned},
		{"too few blanks", client.SignHandshake, key, proof(server, 32)[1:], mft.CodeNotSigned},
		{"an envelope as a proof", client.SignHandshake, key, good, mft.CodeNotSigned},
		{"too much", client.SignHandshake, key, make([]byte, maxQuestion), mft.CodeNotSigned},
	} {
		t.Run(tt.name, func(t *testing.T) {
			signature, err := tt.sign(tt.key, tt.message)
			if mft.CodeOf(err) != tt.want {
				t.Fatalf("%v, want code %s", err, tt.want)
			}
			if err == nil && !ed25519.Verify(keeper.Public().Signing[0].Key, tt.message, signature) {
				t.Error("the signature does not fit")
			}
		})
	}
	if client.Walls().UID != 7 {
		t.Errorf("the walls are %v", client.Walls())
	}
}

// TestUnseal: letters are opened, and nothing else.
func TestUnseal(t *testing.T) {
	keeper, client := asked(t)
	public, err := ecdh.X25519().NewPublicKey(keeper.Public().Sealing[0].Key)
	if err != nil {
		t.Fatal(err)
	}
	for label, want := range map[string]mft.Code{
		letterLabel: mft.CodeOK, "mft/2 other": mft.CodeNotSigned, "": mft.CodeNotSigned, strings.Repeat("x", 256): mft.CodeNotSigned,
	} {
		sealed, err := sealing.Seal(public, label, []byte("secret"))
		if err != nil {
			t.Fatal(err)
		}
		got, err := client.Unseal(sealing.IDOf(public), label, sealed)
		if mft.CodeOf(err) != want || (err == nil && string(got) != "secret") {
			t.Errorf("%q: %q, %v, want code %s", label, got, err, want)
		}
	}
	if _, err := client.Unseal(sealing.ID{}, letterLabel, []byte("x")); mft.CodeOf(err) != mft.CodeUntrusted {
		t.Errorf("another key: %v", err)
	}
	if _, err := client.Unseal(sealing.IDOf(public), letterLabel, []byte("x")); mft.CodeOf(err) != mft.CodeCorrupt {
		t.Errorf("damage: %v", err)
	}
}

// TestKeys: an agent whose keys are elsewhere shows its certificate, rotates, and
// carries on with the key before.
func TestKeys(t *testing.T) {
	_, client := asked(t)
	keys, err := identity.Held("erp", client, client.Public())
	if err != nil {
		t.Fatal(err)
	}
	before := keys.KeyID()
	handshake(t, keys.Certificate())
	if err := keys.Rotate(start, time.Hour); err != nil {
		t.Fatal(err)
	}
	if keys.KeyID() == before {
		t.Fatal("the key is the same")
	}
	handshake(t, keys.Certificate())
	if _, err := keys.SignAs(before, envelope(before, "erp").SigningBytes(), start); err != nil {
		t.Errorf("with the key before: %v", err)
	}
	if _, err := keys.SignAs(before, envelope(before, "erp").SigningBytes(), start.Add(2*time.Hour)); mft.CodeOf(err) != mft.CodeUntrusted {
		t.Errorf("after its time: %v", err)
	}
}

// handshake has both ends of a connection prove the key.
func handshake(t *testing.T, own *tls.Certificate) {
	t.Helper()
	c := &tls.Config{
		Certificates: []tls.Certificate{*own}, MinVersion: tls.VersionTLS13, ClientAuth: tls.RequireAnyClientCert, InsecureSkipVerify: true,
	}
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	server := make(chan error, 1)
	go func() { server <- tls.Server(b, c).Handshake() }()
	if err := errors.Join(tls.Client(a, c).Handshake(), <-server); err != nil {
		t.Errorf("handshake: %v", err)
	}
}

// TestAway: when nobody answers, or not as agreed, that is said, and then nothing
// more is asked.
func TestAway(t *testing.T) {
	for name, answer := range map[string][]byte{
		"nothing":             nil,
		"too much":            {answerDone, 0xff, 0xff, 0xff, 0xff},
		"no answer":           {7, 0, 0, 0, 0},
		"no description":      {answerDone, 0, 0, 0, 2, '{', '}'},
		"no reason":           {answerRefused, 0, 0, 0, 2, '{', '}'},
		"a reason of its own": append([]byte{answerRefused, 0, 0, 0, 14}, `{"code":"NEW"}`...),
	} {
		ours, theirs := net.Pipe()
		go func() {
			_, _, _ = read(theirs, maxQuestion)
			_, _ = theirs.Write(answer)
			_ = theirs.Close()
		}()
		c, err := Open(ours)
		if mft.CodeOf(err) != mft.CodeKeysAway {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := c.SignEnvelope([16]byte{}, nil); mft.CodeOf(err) != mft.CodeKeysAway {
			t.Errorf("%s, then: %v", name, err)
		}
		_ = c.Close()
	}
}

// FuzzServe: whatever is asked, no private key comes back, and what is signed is
// an envelope of this agent or a proof.
func FuzzServe(f *testing.F) {
	path := filepath.Join(f.TempDir(), "keys.json")
	if err := keyring.Create(path, "erp", start); err != nil {
		f.Fatal(err)
	}
	keeper, err := keyring.Open(path, "erp", start)
	if err != nil {
		f.Fatal(err)
	}
	key := keyID(f, keeper)
	add := func(q question) { f.Add(q.kind, q.append(nil)) }
	add(question{kind: askDescribe})
	add(question{kind: askEnvelope, key: key, bytes: envelope(key, "erp").SigningBytes()})
	add(question{kind: askEnvelope, key: key, bytes: envelope(key, "ledger").SigningBytes()})
	add(question{kind: askHandshake, key: key, bytes: proof("TLS 1.3, client CertificateVerify", 32)})
	add(question{kind: askUnseal, label: letterLabel, bytes: []byte("sealed")})
	add(question{kind: askRotate, now: start, end: start.Add(time.Hour)})
	f.Fuzz(func(t *testing.T, kind byte, body []byte) {
		q, err := parse(kind, body)
		if err != nil {
			return
		}
		if again := q.append(nil); !bytes.Equal(again, body) {
			t.Fatalf("%x is read as what is written %x", body, again)
		}
		if kind == askRotate {
			return // which writes to the disk
		}
		answer, err := reply(q, "erp", keeper, restrict.Report{})
		if err != nil {
			if code := mft.CodeOf(err); code != mft.CodeNotSigned && code != mft.CodeUntrusted && code != mft.CodeCorrupt {
				t.Errorf("reply = %v", err)
			}
			return
		}
		switch kind {
		case askEnvelope:
			if e, err := parseSigned(q.bytes); err != nil || e.Sender != "erp" {
				t.Errorf("%x was signed", q.bytes)
			}
		case askHandshake:
			if len(q.bytes) != 64+34+32 && len(q.bytes) != 64+34+48 {
				t.Errorf("%x was signed", q.bytes)
			}
		}
		if bytes.Contains(answer, []byte("private")) {
			t.Errorf("the answer is %s", answer)
		}
	})
}

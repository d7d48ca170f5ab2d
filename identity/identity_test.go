package identity

import (
	"crypto/x509"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/identity/keyring"
)

// start is when every test begins.
var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func newKeys(t *testing.T, name mft.AgentName) *Keys {
	t.Helper()
	k, err := LoadOrCreate(filepath.Join(t.TempDir(), "keys"), name, start)
	if err != nil {
		t.Fatalf("LoadOrCreate(%q): %v", name, err)
	}
	return k
}

// pathOf is the file that holds the keys.
func pathOf(k *Keys) string { return k.holder.(*keyring.Keeper).Path() }

func chainOf(t *testing.T, k *Keys) []*x509.Certificate {
	t.Helper()
	return parseChain(t, k.Certificate().Certificate)
}

func parseChain(t *testing.T, ders [][]byte) []*x509.Certificate {
	t.Helper()
	var chain []*x509.Certificate
	for _, der := range ders {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatalf("ParseCertificate: %v", err)
		}
		chain = append(chain, c)
	}
	return chain
}

func rotate(t *testing.T, k *Keys, now time.Time) {
	t.Helper()
	if err := k.Rotate(now, 0); err != nil {
		t.Fatalf("Rotate: %v", err)
	}
}

// newTrust opens an empty trust store.
func newTrust(t *testing.T, configured ...Peer) (trust *Trust, path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "peers.json")
	return openTrust(t, path, configured...), path
}

func openTrust(t *testing.T, path string, configured ...Peer) *Trust {
	t.Helper()
	trust, err := OpenTrust(path, configured)
	if err != nil {
		t.Fatalf("OpenTrust: %v", err)
	}
	return trust
}

// peerOf is an agent as another one knows it.
func peerOf(name mft.AgentName, pins ...Pin) Peer {
	p := Peer{Name: name, Address: string(name) + ".example:7420", Added: start}
	for _, pin := range pins {
		p.Pins = append(p.Pins, PinnedKey{Pin: pin, Since: start, Source: SourceInvite})
	}
	return p
}

func add(t *testing.T, trust *Trust, p Peer) {
	t.Helper()
	if err := trust.Add(p); err != nil {
		t.Fatalf("Add(%q): %v", p.Name, err)
	}
}

func wantCode(t *testing.T, what string, err error, want mft.Code) {
	t.Helper()
	if got := mft.CodeOf(err); got != want {
		t.Errorf("%s: code %s (%v), want %s", what, got, err, want)
	}
	var coded *mft.Error
	if err != nil && !errors.As(err, &coded) {
		t.Errorf("%s: %v is not an *mft.Error", what, err)
	}
}

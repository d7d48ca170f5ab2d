package identity

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"mft.dev/mft"
	"mft.dev/mft/identity/keyring"
)

func TestFollowRotation(t *testing.T) {
	erp := newKeys(t, "erp")
	first := erp.Pin()
	trust, path := newTrust(t)
	add(t, trust, peerOf("erp", first))
	oldChain := chainOf(t, erp)
	rotate(t, erp, start)
	newChain := chainOf(t, erp)

	name, err := trust.VerifyChain(newChain, start)
	if err != nil || name != "erp" {
		t.Fatalf("VerifyChain = %q, %v", name, err)
	}
	for what, trust := range map[string]*Trust{"now": trust, "after opening again": openTrust(t, path)} {
		p, _ := trust.Peer("erp")
		if len(p.Pins) != 2 {
			t.Fatalf("%s: Peer = %+v, want two pins", what, p)
		}
		end := start.Add(DefaultOverlap)
		if p.Pins[0].Pin != first || !p.Pins[0].Until.Equal(end) {
			t.Errorf("%s: the old pin is %+v, want it to end at %v", what, p.Pins[0], end)
		}
		if k := p.Pins[1]; k.Pin != erp.Pin() || !k.Until.IsZero() || k.Source != SourceRotation || k.By != first {
			t.Errorf("%s: the new pin is %+v", what, k)
		}
		if _, err := trust.VerifyChain(oldChain, end.Add(-time.Second)); err != nil {
			t.Errorf("%s: the old key within the overlap: %v", what, err)
		}
		_, err := trust.VerifyChain(oldChain, end)
		wantCode(t, what+": the old key after the overlap", err, mft.CodeUntrusted)
		if _, err := trust.VerifyChain(newChain[:1], end); err != nil {
			t.Errorf("%s: the new key alone: %v", what, err)
		}
		if trust.Trusts("erp", first, end) || !trust.Trusts("erp", first, start) || !trust.Trusts("erp", erp.Pin(), end) {
			t.Errorf("%s: Trusts does not agree", what)
		}
	}
}

func TestFollowSeveralRotations(t *testing.T) {
	for missed := 1; missed <= 4; missed++ {
		t.Run(fmt.Sprintf("%d missed", missed), func(t *testing.T) {
			erp := newKeys(t, "erp")
			trust, _ := newTrust(t)
			add(t, trust, peerOf("erp", erp.Pin()))
			for range missed {
				rotate(t, erp, start)
			}
			_, err := trust.VerifyChain(chainOf(t, erp), start)
			want := mft.CodeOK
			if missed >= keyring.MaxChain {
				want = mft.CodeUntrusted
			}
			wantCode(t, "VerifyChain", err, want)
		})
	}
}

// A thief has the key that erp had when it was copied.
func TestStolenOldKey(t *testing.T) {
	erp := newKeys(t, "erp")
	trust, _ := newTrust(t)
	add(t, trust, peerOf("erp", erp.Pin()))
	thief := copyKeys(t, erp)
	rotate(t, erp, start)
	if _, err := trust.VerifyChain(chainOf(t, erp), start); err != nil {
		t.Fatal(err)
	}
	rotate(t, thief, start)
	_, err := trust.VerifyChain(chainOf(t, thief), start)
	wantCode(t, "a key that the old one vouches for", err, mft.CodeUntrusted)
	rotate(t, thief, start)
	_, err = trust.VerifyChain(chainOf(t, thief), start)
	wantCode(t, "a key that one vouches for that the old one vouches for", err, mft.CodeUntrusted)
}

// copyKeys returns keys that are the same now and go their own way.
func copyKeys(t *testing.T, k *Keys) *Keys {
	t.Helper()
	content, err := os.ReadFile(pathOf(k))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "keys.json"), content, 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := LoadOrCreate(dir, k.Name(), start)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestRemovedStaysRemoved(t *testing.T) {
	erp := newKeys(t, "erp")
	old := copyKeys(t, erp)
	oldPin := erp.Pin()
	trust, path := newTrust(t)
	add(t, trust, peerOf("erp", oldPin))
	rotate(t, erp, start)
	chain := chainOf(t, erp)
	if _, err := trust.VerifyChain(chain, start); err != nil {
		t.Fatal(err)
	}
	if err := trust.Remove("erp"); err != nil {
		t.Fatal(err)
	}
	_, err := trust.VerifyChain(chain, start)
	wantCode(t, "a peer that was removed", err, mft.CodeUnknownPeer)

	// The host is restored from a backup and paired again: its old key is
	// trusted by the operator's decision, what it once vouched for is not.
	add(t, trust, peerOf("erp", oldPin))
	for what, trust := range map[string]*Trust{"now": trust, "after opening again": openTrust(t, path)} {
		if _, err := trust.VerifyChain(chainOf(t, old), start); err != nil {
			t.Errorf("%s: the key that was added again: %v", what, err)
		}
		_, err := trust.VerifyChain(chain, start)
		wantCode(t, what+": the removed key, vouched for by the one that was added again", err, mft.CodeUntrusted)
	}
	// It stays so for what comes after the removed key.
	rotate(t, erp, start)
	_, err = trust.VerifyChain(chainOf(t, erp), start)
	wantCode(t, "a key that the removed one vouches for", err, mft.CodeUntrusted)
	// The configuration is the operator's word as well.
	configured := openTrust(t, path, Peer{Name: "erp", Pins: []PinnedKey{{Pin: chainPin(t, chain[0])}}})
	if _, err := configured.VerifyChain(chain, start); err != nil {
		t.Errorf("a removed key that was then configured: %v", err)
	}
}

func chainPin(t *testing.T, c *x509.Certificate) Pin {
	t.Helper()
	pin, err := PinOf(c.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return pin
}

func TestConfigurationHasTheLastWord(t *testing.T) {
	erp := newKeys(t, "erp")
	first := Peer{Name: "erp", Pins: []PinnedKey{{Pin: erp.Pin()}}}
	trust, path := newTrust(t, first)
	oldChain := chainOf(t, erp)
	rotate(t, erp, start)
	chain := chainOf(t, erp)
	if _, err := trust.VerifyChain(chain, start); err != nil {
		t.Fatal(err)
	}
	again := openTrust(t, path, first)
	if _, err := again.VerifyChain(chain[:1], start); err != nil {
		t.Errorf("what a configured key vouched for, after opening again: %v", err)
	}
	_, err := again.VerifyChain(oldChain, start.Add(DefaultOverlap))
	wantCode(t, "a configured key that was replaced", err, mft.CodeUntrusted)

	both := Peer{Name: "erp", Pins: []PinnedKey{{Pin: erp.Pin()}, first.Pins[0]}}
	if _, err := openTrust(t, path, both).VerifyChain(chain[:1], start); err != nil {
		t.Errorf("with the new key configured as well: %v", err)
	}

	reinstalled := newKeys(t, "erp")
	moved := openTrust(t, path, Peer{Name: "erp", Pins: []PinnedKey{{Pin: reinstalled.Pin()}}})
	_, err = moved.VerifyChain(chain, start)
	wantCode(t, "what descends from a key that is no longer configured", err, mft.CodeUntrusted)
	if _, err := moved.VerifyChain(chainOf(t, reinstalled), start); err != nil {
		t.Errorf("the key that is configured now: %v", err)
	}
}

func TestConfigurationOfAnInvitedPeerEnds(t *testing.T) {
	invited, configured := newKeys(t, "erp"), newKeys(t, "erp")
	trust, path := newTrust(t)
	add(t, trust, peerOf("erp", invited.Pin()))
	with := openTrust(t, path, Peer{Name: "erp", Pins: []PinnedKey{{Pin: configured.Pin()}}})
	_, err := with.VerifyChain(chainOf(t, invited), start)
	wantCode(t, "the invited key while another is configured", err, mft.CodeUntrusted)
	rotate(t, configured, start)
	if _, err := with.VerifyChain(chainOf(t, configured), start); err != nil {
		t.Fatal(err)
	}
	without := openTrust(t, path)
	_, err = without.VerifyChain(chainOf(t, configured), start)
	wantCode(t, "a key that was configured once", err, mft.CodeUntrusted)
	if _, err := without.VerifyChain(chainOf(t, invited), start); err != nil {
		t.Errorf("the invited key: %v", err)
	}
}

func TestVerifyChainRefuses(t *testing.T) {
	erp, ledger, stranger := newKeys(t, "erp"), newKeys(t, "ledger"), newKeys(t, "stranger")
	impostor := newKeys(t, "erp")
	rotated := copyKeys(t, erp)
	rotate(t, rotated, start)
	long := copyKeys(t, erp)
	for range 4 {
		rotate(t, long, start)
	}
	// The impostor's own certificate, with that of the pinned key behind it.
	glued := append(chainOf(t, impostor), chainOf(t, erp)...)
	// ledger vouches for a key in erp's name.
	ring, err := keyring.Read(pathOf(ledger), "ledger")
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := ring.Rotated("erp", start, start)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name  string
		chain []*x509.Certificate
		want  mft.Code
	}{
		{"pinned", chainOf(t, erp), mft.CodeOK},
		{"nothing", nil, mft.CodeUntrusted},
		{"unknown agent", chainOf(t, stranger), mft.CodeUnknownPeer},
		{"known name, unknown key", chainOf(t, impostor), mft.CodeUntrusted},
		{"not signed by the next", glued, mft.CodeUntrusted},
		{"vouched for by another agent", parseChain(t, foreign.Signing[0].Chain), mft.CodeUntrusted},
		{"new key without the chain", chainOf(t, rotated)[:1], mft.CodeUntrusted},
		{"the chain in the wrong order", []*x509.Certificate{chainOf(t, rotated)[1], chainOf(t, rotated)[0]}, mft.CodeUntrusted},
		{"too long", append(chainOf(t, long), chainOf(t, erp)...), mft.CodeUntrusted},
		{"not Ed25519", []*x509.Certificate{ecdsaCertificate(t, "erp")}, mft.CodeUntrusted},
		{"no agent's name", []*x509.Certificate{ecdsaCertificate(t, "ERP PROD")}, mft.CodeUntrusted},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			trust, _ := newTrust(t)
			add(t, trust, peerOf("erp", erp.Pin()))
			add(t, trust, peerOf("ledger", ledger.Pin()))
			before := fmt.Sprint(trust.List())
			_, err := trust.VerifyChain(tt.chain, start)
			wantCode(t, "VerifyChain", err, tt.want)
			if got := fmt.Sprint(trust.List()); err != nil && got != before {
				t.Errorf("a chain that was refused left %s", got)
			}
		})
	}
}

// A key that is pinned for erp, but was certified under another name, does not
// vouch: no agent that keeps to the rules makes such a certificate.
func TestChainOfTwoNames(t *testing.T) {
	bank, err := keyring.New("bank", start)
	if err != nil {
		t.Fatal(err)
	}
	erp, err := bank.Rotated("erp", start, start.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	chain := parseChain(t, erp.Signing[0].Chain)
	trust, _ := newTrust(t)
	add(t, trust, peerOf("erp", chainPin(t, chain[1])))
	_, err = trust.VerifyChain(chain, start)
	wantCode(t, "VerifyChain", err, mft.CodeUntrusted)
}

func ecdsaCertificate(t *testing.T, name string) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return parseChain(t, [][]byte{der})[0]
}

func TestFollowThatCannotBeKept(t *testing.T) {
	erp := newKeys(t, "erp")
	trust, path := newTrust(t)
	add(t, trust, peerOf("erp", erp.Pin()))
	rotate(t, erp, start)
	dir := filepath.Dir(path)
	if err := os.Rename(dir, dir+".away"); err != nil {
		t.Fatal(err)
	}
	if _, err := trust.VerifyChain(chainOf(t, erp), start); err == nil {
		t.Error("a new key was accepted that could not be kept")
	}
	if p, _ := trust.Peer("erp"); len(p.Pins) != 1 {
		t.Errorf("Peer = %+v, want the old pin only", p)
	}
}

func TestPinsAreBounded(t *testing.T) {
	erp := newKeys(t, "erp")
	trust, path := newTrust(t)
	root := erp.Pin()
	add(t, trust, peerOf("erp", root))
	now := start
	for range 3 * maxPins { // one rotation after the other has passed
		rotate(t, erp, now)
		if _, err := trust.VerifyChain(chainOf(t, erp), now); err != nil {
			t.Fatalf("VerifyChain: %v", err)
		}
		now = now.Add(DefaultOverlap)
	}
	p, _ := openTrust(t, path).Peer("erp")
	if len(p.Pins) > maxPins || p.find(erp.Pin()) == nil || p.find(root) == nil {
		t.Errorf("%d pins, want at most %d, the first and the last among them", len(p.Pins), maxPins)
	}
	var err error
	for range maxPins + 1 { // all at once
		rotate(t, erp, now)
		if _, err = trust.VerifyChain(chainOf(t, erp), now); err != nil {
			break
		}
	}
	wantCode(t, "rotating for ever", err, mft.CodeUntrusted)
}

// Whatever is removed, replaced or vouched for: judge accepts a key only if it
// is pinned and not over, or a pinned key without an end vouches for it and
// nothing on the way was removed or is over.
func TestJudge(t *testing.T) {
	pins := []Pin{"a", "b", "c", "d", "e"}
	rapid.Check(t, func(t *rapid.T) {
		var peer Peer
		for _, pin := range pins {
			switch rapid.SampledFrom([]string{"unknown", "current", "replaced", "over"}).Draw(t, string(pin)) {
			case "current":
				peer.Pins = append(peer.Pins, PinnedKey{Pin: pin})
			case "replaced":
				peer.Pins = append(peer.Pins, PinnedKey{Pin: pin, Until: start.Add(time.Second)})
			case "over":
				peer.Pins = append(peer.Pins, PinnedKey{Pin: pin, Until: start})
			}
		}
		gone := rapid.SliceOfDistinct(rapid.SampledFrom(pins), rapid.ID).Draw(t, "removed")
		removed := func(p Pin) bool { return strings.Contains(fmt.Sprint(gone), string(p)) }
		order := rapid.Permutation(pins).Draw(t, "chain")
		var keys []shownKey
		for _, p := range order[:rapid.IntRange(1, keyring.MaxChain).Draw(t, "length")] {
			keys = append(keys, shownKey{pin: p})
		}
		by, err := judge(peer, removed, keys, start)
		if err != nil {
			return
		}
		if by == "" {
			if k := peer.find(keys[0].pin); k == nil || expired(k.Until, start) || removed(k.Pin) {
				t.Fatalf("%+v accepted by itself", keys[0])
			}
			return
		}
		if k := peer.find(by); k == nil || !k.Until.IsZero() || removed(by) {
			t.Fatalf("%q vouched", by)
		}
		for _, k := range keys {
			if k.pin == by {
				return
			}
			if peer.find(k.pin) != nil || removed(k.pin) {
				t.Fatalf("%q was passed over", k.pin)
			}
		}
		t.Fatalf("%q vouched and is not in the chain", by)
	})
}

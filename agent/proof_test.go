package agent_test

import (
	"crypto/ed25519"
	"crypto/x509"
	"path/filepath"
	"testing"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/identity"
	"mft.dev/mft/journal"
	"mft.dev/mft/protocol"
)

// The sender keeps what its peer signed: years later, with nothing but the
// peer's public key, it still proves the delivery.
func TestSenderKeepsTheProof(t *testing.T) {
	alpha, beta := pairOf(t)
	source := write(t, alpha.out, "report.csv", "1;2;3\n")
	for _, to := range []string{beta.in + "/a", beta.in + "/b"} {
		alpha.await(alpha.copyTo(beta, to, "", source), mft.StateDone)
	}
	sent := alpha.list(journal.Filter{Role: mft.RoleSend})
	alpha.stop()
	beta.stop()
	key := publicKey(t, beta)
	j, err := journal.Open(t.Context(), filepath.Join(alpha.conf.Agent.DataDir, "journal.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	if len(sent) != 2 {
		t.Fatalf("%d transfers, want 2", len(sent))
	}
	for _, row := range sent {
		receipt, wire, ok, err := j.Receipt(t.Context(), row.ID)
		if err != nil || !ok {
			t.Fatalf("Receipt = %v, %v, want one", ok, err)
		}
		e, err := protocol.ParseEnvelope(wire)
		if err != nil {
			t.Fatalf("the proof cannot be read: %v", err)
		}
		if !ed25519.Verify(key, e.SigningBytes(), e.Signature) {
			t.Errorf("the proof does not have the peer's signature")
		}
		if got, err := e.Receipt(); err != nil || got != receipt || got.Transfer != row.ID {
			t.Errorf("the proof says %+v, %v, want %+v for %v", got, err, receipt, row.ID)
		}
		if e.Sender != "beta" || e.Recipient != "alpha" {
			t.Errorf("the proof is of %s for %s", e.Sender, e.Recipient)
		}
		for what, change := range map[string]func(*protocol.Envelope){
			"another transfer":  func(e *protocol.Envelope) { e.Transfer[15]++ },
			"another recipient": func(e *protocol.Envelope) { e.Recipient = "gamma" },
			"another manifest":  func(e *protocol.Envelope) { e.Body[len(e.Body)-1]++ },
		} {
			forged, err := protocol.ParseEnvelope(wire)
			if err != nil {
				t.Fatal(err)
			}
			change(forged)
			if ed25519.Verify(key, forged.SigningBytes(), forged.Signature) {
				t.Errorf("the proof holds for %s too", what)
			}
		}
	}
}

// publicKey returns the key that the agent of h signs with.
func publicKey(t *testing.T, h *host) ed25519.PublicKey {
	t.Helper()
	keys, err := identity.LoadOrCreate(filepath.Join(h.conf.Agent.DataDir, "keys"), h.conf.Agent.Name, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(keys.Certificate().Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	return certificate.PublicKey.(ed25519.PublicKey)
}

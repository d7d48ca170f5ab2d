package sealing

import (
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/rand"
	"testing"
	"time"

	"mft.dev/mft"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// statement returns one for agent erp, and the key that signed it.
func statement(t testing.TB) ([]byte, ed25519.PublicKey) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s, err := State("erp", key.PublicKey(), start, private)
	if err != nil {
		t.Fatal(err)
	}
	return s, public
}

func TestParse(t *testing.T) {
	good, public := statement(t)
	other, _ := statement(t)
	tests := []struct {
		name   string
		change func([]byte) []byte
		agent  mft.AgentName
		want   mft.Code
	}{
		{"as made", func(b []byte) []byte { return b }, "erp", mft.CodeOK},
		{"of another name", func(b []byte) []byte { return b }, "erp2", mft.CodeBadSigned},
		{"by another key", func([]byte) []byte { return other }, "erp", mft.CodeBadSigned},
		{"other public key", func(b []byte) []byte { b[20] ^= 1; return b }, "erp", mft.CodeBadSigned},
		{"other date", func(b []byte) []byte { b[8] ^= 1; return b }, "erp", mft.CodeBadSigned},
		{"other version", func(b []byte) []byte { b[0] = 2; return b }, "erp", mft.CodeProtocol},
		{"short", func(b []byte) []byte { return b[:len(b)-1] }, "erp", mft.CodeProtocol},
		{"empty", func([]byte) []byte { return nil }, "erp", mft.CodeProtocol},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			key, err := Parse(tt.change(append([]byte(nil), good...)), tt.agent, public)
			wantCode(t, "Parse", err, tt.want)
			if err == nil && !key.Created.Equal(start) {
				t.Errorf("Created = %v, want %v", key.Created, start)
			}
		})
	}
}

func TestStateRefusesOtherKeys(t *testing.T) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := State("erp", key.PublicKey(), start, private); err == nil {
		t.Error("a P-256 key was stated to be an X25519 key")
	}
}

func FuzzParse(f *testing.F) {
	good, public := statement(f)
	f.Add(good)
	f.Add([]byte{})
	f.Add(make([]byte, Size))
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := Parse(b, "erp", public); err == nil && string(b) != string(good) {
			t.Errorf("a statement that was never made was accepted: %x", b)
		}
	})
}

func wantCode(t *testing.T, what string, err error, want mft.Code) {
	t.Helper()
	if got := mft.CodeOf(err); got != want {
		t.Errorf("%s: code %s (%v), want %s", what, got, err, want)
	}
}

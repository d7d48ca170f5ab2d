package limit

import (
	"bytes"
	"encoding/hex"
	"os"
	"path/filepath"
	"testing"
)

func TestCopy(t *testing.T) {
	dir := t.TempDir()
	want := bytes.Repeat([]byte("0123456789abcdef"), 200_000)
	source, dest := filepath.Join(dir, "source"), filepath.Join(dir, "dest")
	if err := os.WriteFile(source, want, 0o600); err != nil {
		t.Fatal(err)
	}
	where := make(chan [2]string, 1)
	received := make(chan error, 1)
	go func() {
		received <- Receive(t.Context(), "127.0.0.1:0", dest, func(address, pin string) { where <- [2]string{address, pin} })
	}()
	at := <-where
	if err := Send(t.Context(), at[0], at[1], source); err != nil {
		t.Fatal(err)
	}
	if err := <-received; err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(dest)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%d other bytes arrived, want %d", len(got), len(want))
	}
}

func TestSendRefusesAnotherReceiver(t *testing.T) {
	dir := t.TempDir()
	source := filepath.Join(dir, "source")
	if err := os.WriteFile(source, []byte("for you only"), 0o600); err != nil {
		t.Fatal(err)
	}
	where := make(chan string, 1)
	received := make(chan error, 1)
	dest := filepath.Join(dir, "dest")
	go func() {
		received <- Receive(t.Context(), "127.0.0.1:0", dest, func(address, _ string) { where <- address })
	}()
	if err := Send(t.Context(), <-where, "another fingerprint", source); err == nil {
		t.Error("Send trusts a receiver with another certificate")
	}
	if err := <-received; err == nil {
		t.Error("Receive tells nothing of a sender that went away")
	}
}

func TestDigest(t *testing.T) {
	path := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	sum, err := Digest(path)
	if err != nil {
		t.Fatal(err)
	}
	// From the test vectors of BLAKE3: the digest of nothing.
	const want = "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"
	if got := hex.EncodeToString(sum[:]); got != want {
		t.Errorf("Digest of nothing = %s, want %s", got, want)
	}
}

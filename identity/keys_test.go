package identity

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/identity/keyring"
	"mft.dev/mft/identity/sealing"
)

func TestKeysStayTheSame(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "keys")
	first, err := LoadOrCreate(dir, "erp", start)
	if err != nil {
		t.Fatal(err)
	}
	second, err := LoadOrCreate(dir, "erp", start.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := second.Pin(), first.Pin(); got != want {
		t.Errorf("Pin after loading = %s, want %s", got, want)
	}
	if second.Name() != "erp" {
		t.Errorf("Name = %q, want erp", second.Name())
	}
	signature, err := second.SignAs(first.KeyID(), []byte("message"), start)
	if err != nil {
		t.Errorf("SignAs: %v", err)
	}
	public := chainOf(t, first)[0].PublicKey.(ed25519.PublicKey)
	if !ed25519.Verify(public, []byte("message"), signature) {
		t.Error("the signature of the loaded key does not fit the certificate of the first")
	}
	if _, err := sealing.Parse(second.Sealing(), "erp", public); err != nil {
		t.Errorf("ParseSealing: %v", err)
	}
}

func TestKeysArePrivate(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no mode bits")
	}
	tests := []struct {
		name     string
		mode     os.FileMode
		dirMode  os.FileMode
		wantCode mft.Code
	}{
		{"as made", 0o600, 0o700, mft.CodeOK},
		{"read-only", 0o400, 0o700, mft.CodeOK},
		{"group may read", 0o640, 0o700, mft.CodeConfig},
		{"others may read", 0o604, 0o700, mft.CodeConfig},
		{"group may write", 0o620, 0o700, mft.CodeConfig},
		{"directory may be listed", 0o600, 0o755, mft.CodeOK},
		{"others may replace", 0o600, 0o707, mft.CodeConfig},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "keys")
			if _, err := LoadOrCreate(dir, "erp", start); err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(dir, "keys.json")
			info, err := os.Stat(file)
			if err != nil || info.Mode().Perm() != 0o600 {
				t.Fatalf("made with mode %v (%v), want 0600", info.Mode(), err)
			}
			if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
				t.Fatalf("directory made with mode %v (%v), want 0700", info.Mode(), err)
			}
			if err := errors.Join(os.Chmod(file, tt.mode), os.Chmod(dir, tt.dirMode)); err != nil {
				t.Fatal(err)
			}
			_, err = LoadOrCreate(dir, "erp", start)
			wantCode(t, "LoadOrCreate", err, tt.wantCode)
		})
	}
}

func TestLoadRefuses(t *testing.T) {
	edit := func(change func(map[string]any)) func([]byte) []byte {
		return func(b []byte) []byte {
			var file map[string]any
			if err := json.Unmarshal(b, &file); err != nil {
				t.Fatal(err)
			}
			change(file)
			out, err := json.Marshal(file)
			if err != nil {
				t.Fatal(err)
			}
			return out
		}
	}
	first := func(f map[string]any, list string) map[string]any { return f[list].([]any)[0].(map[string]any) }
	tests := []struct {
		name   string
		change func([]byte) []byte
		want   mft.Code
	}{
		{"empty", func([]byte) []byte { return nil }, mft.CodeCorrupt},
		{"cut short", func(b []byte) []byte { return b[:len(b)/2] }, mft.CodeCorrupt},
		{"something after it", func(b []byte) []byte { return append(b, "{}"...) }, mft.CodeCorrupt},
		{"other agent", edit(func(f map[string]any) { f["name"] = "ledger" }), mft.CodeConfig},
		{"other version", edit(func(f map[string]any) { f["version"] = 2 }), mft.CodeCorrupt},
		{"unknown field", edit(func(f map[string]any) { f["more"] = 1 }), mft.CodeCorrupt},
		{"no signing key", edit(func(f map[string]any) { f["signing"] = nil }), mft.CodeCorrupt},
		{"no sealing key", edit(func(f map[string]any) { f["sealing"] = nil }), mft.CodeCorrupt},
		{"current key expires", edit(func(f map[string]any) { first(f, "signing")["expires"] = start }), mft.CodeCorrupt},
		{"two current keys", edit(func(f map[string]any) {
			f["signing"] = append(f["signing"].([]any), f["signing"].([]any)[0])
		}), mft.CodeCorrupt},
		{"no certificate", edit(func(f map[string]any) { first(f, "signing")["certificates"] = nil }), mft.CodeCorrupt},
		{"sealing key as signing key", edit(func(f map[string]any) {
			first(f, "signing")["private"] = first(f, "sealing")["private"]
		}), mft.CodeCorrupt},
		{"signing key as sealing key", edit(func(f map[string]any) {
			first(f, "sealing")["private"] = first(f, "signing")["private"]
		}), mft.CodeCorrupt},
		{"certificate of another key", edit(func(f map[string]any) {
			other := newKeys(t, "erp").Certificate().Certificate[0]
			first(f, "signing")["certificates"] = []any{base64.StdEncoding.EncodeToString(other)}
		}), mft.CodeCorrupt},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			if _, err := LoadOrCreate(dir, "erp", start); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, "keys.json")
			content, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			var file struct{ Signing []struct{ Private []byte } }
			if err := json.Unmarshal(content, &file); err != nil {
				t.Fatal(err)
			}
			changed := tt.change(content)
			if err := os.WriteFile(path, changed, 0o600); err != nil {
				t.Fatal(err)
			}
			_, err = LoadOrCreate(dir, "erp", start)
			wantCode(t, "LoadOrCreate", err, tt.want)
			private := base64.StdEncoding.EncodeToString(file.Signing[0].Private)
			if err != nil && strings.Contains(err.Error(), private[len(private)-20:]) {
				t.Errorf("the error shows the private key: %v", err)
			}
			after, err := os.ReadFile(path)
			if err != nil || string(after) != string(changed) {
				t.Errorf("LoadOrCreate changed a file that it refused (%v)", err)
			}
		})
	}
}

func TestLoadRefusesName(t *testing.T) {
	_, err := LoadOrCreate(t.TempDir(), "Not A Name", start)
	wantCode(t, "LoadOrCreate", err, mft.CodeBadName)
}

func TestRotate(t *testing.T) {
	k := newKeys(t, "erp")
	oldID, oldPin, oldSealing := k.KeyID(), k.Pin(), k.Sealing()
	if err := k.Rotate(start.Add(time.Hour), 48*time.Hour); err != nil {
		t.Fatal(err)
	}
	if k.Pin() == oldPin || string(k.Sealing()) == string(oldSealing) {
		t.Fatal("Rotate left a key as it was")
	}
	end := start.Add(49 * time.Hour)
	list := k.List()
	if len(list) != 4 || !list[0].Current() || list[0].Pin != k.Pin() || list[1].Pin != oldPin || !list[1].Expires.Equal(end) {
		t.Errorf("List = %+v", list)
	}
	if list[2].Role != RoleSealing || !list[2].Current() || list[3].Current() {
		t.Errorf("List = %+v, want the sealing keys last", list)
	}
	if _, err := k.SignAs(oldID, []byte("m"), end.Add(-time.Second)); err != nil {
		t.Errorf("SignAs within the overlap: %v", err)
	}
	_, err := k.SignAs(oldID, []byte("m"), end)
	wantCode(t, "SignAs after the overlap", err, mft.CodeUntrusted)
	wantCode(t, "Rotate by less than nothing", k.Rotate(start, -1), mft.CodeUsage)

	reloaded, err := LoadOrCreate(filepath.Dir(pathOf(k)), "erp", end)
	if err != nil {
		t.Fatal(err)
	}
	if got := reloaded.List(); len(got) != 2 || got[0].Pin != k.Pin() {
		t.Errorf("List after the overlap = %+v, want the current keys only", got)
	}
	if got, want := len(reloaded.Certificate().Certificate), 2; got != want {
		t.Errorf("%d certificates after the overlap, want %d: peers may still know the old key", got, want)
	}
}

func TestRotateErasesExpired(t *testing.T) {
	k := newKeys(t, "erp")
	now := start
	for range 6 {
		rotate(t, k, now)
		now = now.Add(DefaultOverlap)
	}
	if got, want := len(k.Certificate().Certificate), keyring.MaxChain; got != want {
		t.Errorf("%d certificates, want %d", got, want)
	}
	content, err := os.ReadFile(pathOf(k))
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Signing []json.RawMessage }
	if err := json.Unmarshal(content, &file); err != nil {
		t.Fatal(err)
	}
	if got, want := len(file.Signing), 2; got != want {
		t.Errorf("the file holds %d signing keys, want %d: what has expired is erased", got, want)
	}
}

func TestRotateThatFailsChangesNothing(t *testing.T) {
	k := newKeys(t, "erp")
	before := k.Pin()
	dir := filepath.Dir(pathOf(k))
	if err := os.Rename(dir, dir+".away"); err != nil {
		t.Fatal(err)
	}
	if err := k.Rotate(start, 0); err == nil {
		t.Fatal("Rotate without a directory succeeded")
	}
	if got := k.Pin(); got != before {
		t.Errorf("Pin after a rotation that failed = %s, want %s", got, before)
	}
}

func TestKeysConcurrently(t *testing.T) {
	k := newKeys(t, "erp")
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 20 {
				if signature, err := k.SignAs(k.KeyID(), []byte("m"), start); err != nil || len(signature) != ed25519.SignatureSize {
					t.Errorf("SignAs = %x, %v", signature, err)
				}
				k.List()
				k.Sealing()
				k.Certificate()
			}
		})
	}
	all.Go(func() {
		for range 3 {
			rotate(t, k, start)
		}
	})
	all.Wait()
}

func TestEphemeralCertificate(t *testing.T) {
	a, fa, err := EphemeralCertificate(start)
	if err != nil {
		t.Fatal(err)
	}
	b, fb, err := EphemeralCertificate(start)
	if err != nil {
		t.Fatal(err)
	}
	if fa == fb {
		t.Error("two certificates have the same fingerprint")
	}
	if fa != Fingerprint(a.Certificate[0]) || fb != Fingerprint(b.Certificate[0]) {
		t.Error("a fingerprint is not that of its certificate")
	}
	c := parseChain(t, a.Certificate)[0]
	if c.Subject.CommonName != "" || len(c.DNSNames) != 0 {
		t.Errorf("the certificate names %q, want nobody", c.Subject)
	}
	if life := c.NotAfter.Sub(c.NotBefore); life > time.Hour {
		t.Errorf("the certificate lives for %v, want minutes", life)
	}
}

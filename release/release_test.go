package release

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mft.dev/mft"
)

var issued = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func sample() Manifest {
	return Manifest{
		Version: "1.4.0", Minimum: "1.2.0", Issued: issued, Expires: issued.AddDate(1, 0, 0),
		Binaries: []Binary{
			{OS: "windows", Arch: "amd64", File: "mft.exe", Size: 7, SHA256: strings.Repeat("ab", 32)},
			{OS: "linux", Arch: "amd64", File: "mft", Size: 5, SHA256: strings.Repeat("01", 32)},
		},
	}
}

func newKey(t testing.TB) SigningKey {
	t.Helper()
	k, err := NewKey()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func seal(t testing.TB, m Manifest, keys ...SigningKey) []byte {
	t.Helper()
	b, err := Seal(m, keys...)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestOpen(t *testing.T) {
	ours, theirs := newKey(t), newKey(t)
	good := seal(t, sample(), ours)
	signed := func(body string) []byte { return join([]signature{ours.sign([]byte(body))}, []byte(body)) }
	_, body, err := split(good)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name   string
		sealed []byte
		pinned []Key
		want   mft.Code
	}{
		{"one key", good, []Key{ours.Public()}, mft.CodeOK},
		{"the second of two", seal(t, sample(), theirs, ours), []Key{ours.Public()}, mft.CodeOK},
		{"one of several pinned", good, []Key{theirs.Public(), ours.Public()}, mft.CodeOK},
		{"signed by somebody else", seal(t, sample(), theirs), []Key{ours.Public()}, mft.CodeBadRelease},
		{"nobody pinned", good, nil, mft.CodeBadRelease},
		{"another version", bytes.Replace(good, []byte("1.4.0"), []byte("1.5.0"), 1), []Key{ours.Public()}, mft.CodeBadRelease},
		{"our key over their signature", bytes.Replace(seal(t, sample(), theirs), []byte(theirs.Public()), []byte(ours.Public()), 1), []Key{ours.Public()}, mft.CodeBadRelease},
		{"signed, and written otherwise", signed(strings.Replace(string(body), "  ", " ", 1)), []Key{ours.Public()}, mft.CodeBadRelease},
		{"signed, with a field more", signed(strings.Replace(string(body), "{", `{"run": "x",`, 1)), []Key{ours.Public()}, mft.CodeBadRelease},
		{"signed, with a path", signed(strings.Replace(string(body), `"mft"`, `"../mft"`, 1)), []Key{ours.Public()}, mft.CodeBadRelease},
		{"signed, with two binaries for one system", signed(strings.Replace(string(body), "windows", "linux", 1)), []Key{ours.Public()}, mft.CodeBadRelease},
		{"cut off", good[:len(good)-3], []Key{ours.Public()}, mft.CodeBadRelease},
		{"too large", append(bytes.Clone(good), make([]byte, MaxManifest)...), []Key{ours.Public()}, mft.CodeBadRelease},
		{"nothing", nil, []Key{ours.Public()}, mft.CodeBadRelease},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m, k, err := Open(tt.sealed, tt.pinned)
			if mft.CodeOf(err) != tt.want {
				t.Fatalf("Open = %v, want code %s", err, tt.want)
			}
			if err == nil && (m.Version != "1.4.0" || k != ours.Public()) {
				t.Errorf("Open = %+v by %s, want what was sealed", m, k)
			}
		})
	}
}

// TestRotation goes from one key to another: hosts that pin either follow.
func TestRotation(t *testing.T) {
	old, next := newKey(t), newKey(t)
	first := seal(t, sample(), old)
	both, err := Countersign(first, []Key{old.Public()}, next)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range []Key{old.Public(), next.Public()} {
		if _, by, err := Open(both, []Key{k}); err != nil || by != k {
			t.Errorf("Open for a host that pins %s = %s, %v", k, by, err)
		}
	}
	if _, err := Countersign(first, []Key{next.Public()}, next); mft.CodeOf(err) != mft.CodeBadRelease {
		t.Errorf("Countersign of what nobody trusted has signed = %v, want code %s", err, mft.CodeBadRelease)
	}
}

func TestDecide(t *testing.T) {
	m := sample()
	for _, tt := range []struct {
		name    string
		host    Host
		want    mft.Code
		current bool
	}{
		{"newer", Host{Version: "1.3.9"}, mft.CodeOK, false},
		{"the same", Host{Version: "1.4.0"}, mft.CodeOK, true},
		{"the same after its time", Host{Version: "1.4.0", Now: m.Expires}, mft.CodeOK, true},
		{"the same, built anew", Host{Version: "v1.4.0+dirty"}, mft.CodeOK, true},
		{"a candidate before", Host{Version: "1.4.0-rc.2"}, mft.CodeOK, false},
		{"older", Host{Version: "1.4.1"}, mft.CodeUnfit, false},
		{"below the minimum", Host{Version: "1.1.9"}, mft.CodeUnfit, false},
		{"the minimum", Host{Version: "1.2.0"}, mft.CodeOK, false},
		{"expired", Host{Version: "1.3.0", Now: m.Expires}, mft.CodeUnfit, false},
		{"the last second", Host{Version: "1.3.0", Now: m.Expires.Add(-time.Second)}, mft.CodeOK, false},
		{"a clock somewhat behind", Host{Version: "1.3.0", Now: issued.Add(-time.Hour)}, mft.CodeOK, false},
		{"from the future", Host{Version: "1.3.0", Now: issued.AddDate(0, 0, -2)}, mft.CodeUnfit, false},
		{"another system", Host{Version: "1.3.0", OS: "plan9"}, mft.CodeUnfit, false},
		{"another architecture", Host{Version: "1.3.0", Arch: "arm64"}, mft.CodeUnfit, false},
		{"what is wanted", Host{Version: "1.3.0", To: "v1.4.0"}, mft.CodeOK, false},
		{"not what is wanted", Host{Version: "1.3.0", To: "1.3.5"}, mft.CodeUnfit, false},
		{"a host without a version", Host{Version: "(devel)"}, mft.CodeUnfit, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.host.OS == "" {
				tt.host.OS = "linux"
			}
			if tt.host.Arch == "" {
				tt.host.Arch = "amd64"
			}
			if tt.host.Now.IsZero() {
				tt.host.Now = issued.Add(time.Hour)
			}
			c, err := m.Decide(tt.host)
			if mft.CodeOf(err) != tt.want || c.Current != tt.current {
				t.Fatalf("Decide(%+v) = %+v, %v, want code %s and current %v", tt.host, c, err, tt.want, tt.current)
			}
			if err == nil && !c.Current && c.Binary.File != "mft" {
				t.Errorf("Decide(%+v) takes %q, want mft", tt.host, c.Binary.File)
			}
		})
	}
}

func TestVersionsInOrder(t *testing.T) {
	// The example of semver.org, and what Go calls a build of a commit.
	list := []string{
		"v0.0.0-20261122101010-0123456789ab+dirty", "0.1.0", "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta", "1.0.0-beta.2",
		"1.0.0-beta.11", "1.0.0-rc.1", "1.0.0", "1.0.1", "1.2.0", "1.10.0", "2.0.0",
	}
	for i, a := range list {
		for j, b := range list {
			x, err := ParseVersion(a)
			if err != nil {
				t.Fatal(err)
			}
			y, err := ParseVersion(b)
			if err != nil {
				t.Fatal(err)
			}
			if got, want := x.Compare(y), min(1, max(-1, i-j)); got != want {
				t.Errorf("%s against %s = %d, want %d", a, b, got, want)
			}
		}
	}
	for _, s := range []string{"", "1", "1.2", "1.2.3.4", "01.2.3", "1.2.3-", "1.2.3-01", "1.2.3-a..b", "1.2.3+", "1.2.x", "-1.2.3", "1.2.3 ", "99999999999999999999.0.0", strings.Repeat("1", 200)} {
		if v, err := ParseVersion(s); err == nil {
			t.Errorf("ParseVersion(%q) = %s, want an error", s, v)
		}
	}
}

func TestKeyFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "release.key")
	k := newKey(t)
	if err := k.Write(path); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || os.PathSeparator == '/' && info.Mode().Perm() != 0o600 {
		t.Errorf("the file is %v, %v, want it for its owner only", info, err)
	}
	if err := newKey(t).Write(path); mft.CodeOf(err) != mft.CodeExists {
		t.Errorf("writing over a key = %v, want code %s", err, mft.CodeExists)
	}
	again, err := ReadKey(path)
	if err != nil || again.Public() != k.Public() {
		t.Errorf("ReadKey = %v, %v, want the key", again.Public(), err)
	}
	if err := os.WriteFile(path, []byte("-----BEGIN PRIVATE KEY-----\nsecret\n-----END PRIVATE KEY-----\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadKey(path); mft.CodeOf(err) != mft.CodeConfig || strings.Contains(fmt.Sprint(err), "secret") {
		t.Errorf("ReadKey of something else = %v, want code %s and nothing of the content", err, mft.CodeConfig)
	}
}

// FuzzOpen feeds Open with bytes that it signs itself too, so that what comes
// behind the signature is reached.
func FuzzOpen(f *testing.F) {
	key := newKey(f)
	good := seal(f, sample(), key)
	_, body, err := split(good)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good, false)
	f.Add(body, true)
	f.Add([]byte("{}\n"), true)
	f.Add([]byte(firstLine+"\n"+string(key.Public())+" AA\n\n{}"), false)
	f.Fuzz(func(t *testing.T, b []byte, sign bool) {
		if sign {
			b = join([]signature{key.sign(b)}, b)
		}
		m, _, err := Open(b, []Key{key.Public()})
		if err != nil {
			return
		}
		again, err := Seal(m, key)
		if err != nil {
			t.Fatalf("Seal refuses what Open has read: %v", err)
		}
		if _, body, _ := split(again); !bytes.HasSuffix(b, body) {
			t.Errorf("one manifest has two forms:\n%s\n%s", b, again)
		}
	})
}

func FuzzParseVersion(f *testing.F) {
	for _, s := range []string{"1.4.0", "v0.0.0-2026-x+dirty", "1.0.0-rc.1", "1..0", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		v, err := ParseVersion(s)
		if err != nil {
			return
		}
		if again, err := ParseVersion(v.String()); err != nil || again != v || v.Compare(again) != 0 {
			t.Errorf("%q is %+v, and its text %q is %+v, %v", s, v, v, again, err)
		}
	})
}

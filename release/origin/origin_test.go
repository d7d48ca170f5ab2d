package origin

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mft.dev/mft"
	"mft.dev/mft/release"
)

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestVersions looks for the newest and for a given version, in a folder and at
// an address.
func TestVersions(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, release.ManifestFile), "newest")
	write(t, filepath.Join(dir, "1.4.0", release.ManifestFile), "1.4.0")
	write(t, filepath.Join(dir, "1.4.0", "mft"), "binary")
	server := httptest.NewTLSServer(http.FileServer(http.Dir(dir)))
	defer server.Close()
	for name, from := range map[string]string{"folder": dir, "address": server.URL} {
		t.Run(name, func(t *testing.T) {
			o, err := New(from, server.Client())
			if err != nil {
				t.Fatal(err)
			}
			for to, want := range map[string]string{"": "newest .", "v1.4.0": "1.4.0 1.4.0", "9.9.9": "newest ."} {
				b, dir, err := o.Manifest(t.Context(), to)
				if got := string(b) + " " + dir; err != nil || got != want {
					t.Errorf("Manifest(%q) = %q, %v, want %q", to, got, err, want)
				}
			}
			if _, _, err := o.Manifest(t.Context(), "../x"); mft.CodeOf(err) != mft.CodeUsage {
				t.Errorf("Manifest(../x) = %v, want code %s", err, mft.CodeUsage)
			}
			in, err := o.Open(t.Context(), "1.4.0", "mft")
			if err != nil {
				t.Fatal(err)
			}
			if b, err := io.ReadAll(in); err != nil || string(b) != "binary" {
				t.Errorf("read %q, %v, want the binary", b, err)
			}
			if err := in.Close(); err != nil {
				t.Error(err)
			}
			if _, err := o.Open(t.Context(), "1.4.0", "none"); mft.CodeOf(err) != mft.CodeNotFound {
				t.Errorf("Open of nothing = %v, want code %s", err, mft.CodeNotFound)
			}
		})
	}
}

func TestFolderRefuses(t *testing.T) {
	outside, dir := t.TempDir(), t.TempDir()
	write(t, filepath.Join(outside, "mft"), "elsewhere")
	if err := os.Symlink(filepath.Join(outside, "mft"), filepath.Join(dir, "mft")); err != nil {
		t.Skip("no symbolic links here")
	}
	if err := os.Mkdir(filepath.Join(dir, release.ManifestFile), 0o755); err != nil {
		t.Fatal(err)
	}
	o, err := New(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	if in, err := o.Open(t.Context(), ".", "mft"); err == nil {
		in.Close()
		t.Error("a link out of the folder was followed")
	}
	if _, _, err := o.Manifest(t.Context(), ""); mft.CodeOf(err) != mft.CodeNotRegular {
		t.Errorf("a manifest that is a directory = %v, want code %s", err, mft.CodeNotRegular)
	}
}

func TestRedirects(t *testing.T) {
	plain := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "plain") }))
	defer plain.Close()
	mux := http.NewServeMux()
	server := httptest.NewTLSServer(mux)
	defer server.Close()
	mux.Handle("/once/", http.RedirectHandler("/there", http.StatusFound))
	mux.Handle("/ever/", http.RedirectHandler("/ever/again", http.StatusFound))
	mux.Handle("/down/", http.RedirectHandler(plain.URL, http.StatusFound))
	mux.HandleFunc("/there", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "there") })
	mux.HandleFunc("/shut/", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) })
	mux.HandleFunc("/long/", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, strings.Repeat("x", 1<<20)) })
	for _, tt := range []struct {
		at   string
		want mft.Code
	}{
		{"/once/", mft.CodeOK}, {"/ever/", mft.CodeUnreachable}, {"/down/", mft.CodeUntrusted}, {"/shut/", mft.CodeNotAllowed}, {"/none/", mft.CodeNotFound},
	} {
		o, err := New(server.URL+tt.at, server.Client())
		if err != nil {
			t.Fatal(err)
		}
		if b, _, err := o.Manifest(t.Context(), ""); mft.CodeOf(err) != tt.want {
			t.Errorf("%s: %q, %v, want code %s", tt.at, b, err, tt.want)
		}
	}
	o, err := New(server.URL+"/long/", server.Client())
	if err != nil {
		t.Fatal(err)
	}
	if b, _, err := o.Manifest(t.Context(), ""); err != nil || len(b) != release.MaxManifest+1 {
		t.Errorf("of a manifest without end %d bytes were read, %v, want %d", len(b), err, release.MaxManifest+1)
	}
	// A server that the host does not trust.
	o, err = New(server.URL+"/once/", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := o.Manifest(t.Context(), ""); mft.CodeOf(err) != mft.CodeUnreachable {
		t.Errorf("an untrusted certificate: %v, want code %s", err, mft.CodeUnreachable)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := o.Manifest(ctx, ""); err == nil {
		t.Error("a manifest was read after the end of the context")
	}
}

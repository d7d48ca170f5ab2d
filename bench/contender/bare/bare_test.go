package bare

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// A shelf answers the few requests that are made.
type shelf struct {
	mu    sync.Mutex
	blobs map[string]string
	made  []string
}

func (s *shelf) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	container, name, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"+Name+"/"), "/")
	switch {
	case r.Method == http.MethodPut && r.URL.Query().Get("restype") == "container":
		s.made = append(s.made, container)
		w.WriteHeader(http.StatusCreated)
	case r.Method == http.MethodPut:
		content, _ := io.ReadAll(r.Body)
		s.blobs[name] = string(content)
		w.WriteHeader(http.StatusCreated)
	case r.URL.Query().Get("comp") == "list":
		w.Header().Set("Content-Type", "application/xml")
		fmt.Fprint(w, `<?xml version="1.0" encoding="utf-8"?><EnumerationResults><Blobs>`)
		for _, name := range slices.Sorted(maps.Keys(s.blobs)) {
			fmt.Fprintf(w, `<Blob><Name>%s</Name><Properties><Content-Length>%d</Content-Length></Properties></Blob>`, name, len(s.blobs[name]))
		}
		fmt.Fprint(w, `</Blobs><NextMarker/></EnumerationResults>`)
	default:
		content, ok := s.blobs[name]
		if !ok {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		w.Header().Set("Content-Length", fmt.Sprint(len(content)))
		_, _ = io.WriteString(w, content)
	}
}

func TestThereAndBack(t *testing.T) {
	s := &shelf{blobs: map[string]string{}}
	server := httptest.NewServer(s)
	defer server.Close()
	account := Account(server.URL + "/" + Name)
	if err := Make(t.Context(), account, "box"); err != nil || len(s.made) != 1 || s.made[0] != "box" {
		t.Fatalf("Make: %v, made %q", err, s.made)
	}
	source := filepath.Join(t.TempDir(), "item")
	want := map[string]string{"item/a": "one", "item/d/b": "two"}
	for name, content := range want {
		path := filepath.Join(filepath.Dir(source), filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := Upload(t.Context(), account, "box", source); err != nil || !maps.Equal(s.blobs, want) {
		t.Fatalf("Upload: %v, and there is %q, want %q", err, s.blobs, want)
	}
	into := t.TempDir()
	if err := Download(t.Context(), account, "box", into); err != nil {
		t.Fatalf("Download: %v", err)
	}
	for name, content := range want {
		got, err := os.ReadFile(filepath.Join(into, filepath.FromSlash(name)))
		if err != nil || string(got) != content {
			t.Errorf("%s arrived as %q, %v; want %q", name, got, err, content)
		}
	}
	s.blobs["../out"] = "side"
	if err := Download(t.Context(), account, "box", into); err == nil {
		t.Error("Download writes what a name puts outside of its directory")
	}
}

func TestSignature(t *testing.T) {
	got, err := Account("http://127.0.0.1:1/" + Name).Signature()
	if err != nil || !strings.Contains(got, "sig=") || strings.ContainsAny(got, "?/") {
		t.Errorf("Signature = %q, %v; want a query", got, err)
	}
}

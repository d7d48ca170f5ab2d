package telemetry

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
)

// poisoned refuses requests that have a word in them.
type poisoned struct{ sink *sink }

func (p poisoned) start(t *testing.T) (url string) {
	srv := httptest.NewServer(p)
	t.Cleanup(srv.Close)
	return srv.URL
}

func (p poisoned) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	z, err := gzip.NewReader(r.Body)
	if err != nil {
		p.sink.t.Error(err)
		return
	}
	content, err := io.ReadAll(z)
	if err != nil {
		return // the client went away
	}
	if bytes.Contains(content, []byte("poison")) {
		http.Error(w, "cannot read this", http.StatusBadRequest)
		return
	}
	r.Header.Del("Content-Encoding")
	r.Body = io.NopCloser(bytes.NewReader(content))
	p.sink.ServeHTTP(w, r)
}

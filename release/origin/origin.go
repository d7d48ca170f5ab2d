// Package origin fetches releases from where they are published: a folder of
// this host, into which a peer may deliver, or an address by HTTPS.
//
//	o, err := origin.New("https://files.example/mft/", nil)
//	sealed, dir, err := o.Manifest(ctx, "")          // the newest
//	content, err := o.Open(ctx, dir, binary.File)
//
// A folder holds release.mft and the binaries that it names; beside them a
// folder for each other version, called like it, holds the same of that.
//
// Nothing that is fetched is believed: package release looks at manifests,
// package place at binaries. The package refuses to leave HTTPS, to follow a
// link out of the folder, and to read more than it was told there is.
package origin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/internal/durable"
	"mft.dev/mft/release"
)

const (
	// redirects is how many are followed.
	redirects = 5
	// headerTimeout is how long a server may take before it begins to answer.
	headerTimeout = 30 * time.Second
	// manifestTimeout and binaryTimeout bound a whole answer.
	manifestTimeout = time.Minute
	binaryTimeout   = 30 * time.Minute
)

// An Origin is one place of releases. Its methods may be called concurrently.
type Origin struct {
	name string
	// open returns what is at a path below the origin, for reading.
	open func(ctx context.Context, name string) (io.ReadCloser, error)
}

// New returns the origin at from: an absolute path of a folder or an https URL
// of one. Client is nil for one that trusts what the host trusts. Nothing is
// touched yet. The error is mft.CodeConfig.
func New(from string, client *http.Client) (*Origin, error) {
	if filepath.IsAbs(from) {
		return &Origin{name: from, open: folder(from).open}, nil
	}
	at, err := ParseURL(from)
	if err != nil {
		return nil, mft.Fail(mft.CodeConfig, "read origin of releases", from, err)
	}
	if client == nil {
		client = &http.Client{Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, ResponseHeaderTimeout: headerTimeout, TLSHandshakeTimeout: headerTimeout,
			ForceAttemptHTTP2: true, DisableCompression: true, // the bytes are what the digest is of
		}}
	}
	bounded := *client
	bounded.CheckRedirect = secure
	return &Origin{name: at.Redacted(), open: (&site{at, &bounded}).open}, nil
}

// ParseURL reads the address of an origin.
func ParseURL(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, errors.New("want the absolute path of a folder, or an https URL without a user, ? and #")
	}
	if !strings.HasSuffix(u.Path, "/") {
		u.Path += "/"
	}
	return u, nil
}

// String names the origin.
func (o *Origin) String() string { return o.name }

// Manifest returns the sealed manifest of version to, or of the newest when to
// is empty, and the directory in which its binaries are. It is for
// release.Open to say whether it may be believed.
func (o *Origin) Manifest(ctx context.Context, to string) (sealed []byte, dir string, err error) {
	if to != "" {
		v, err := release.ParseVersion(to)
		if err != nil {
			return nil, "", mft.Fail(mft.CodeUsage, "read version", to, err)
		}
		sealed, err = o.manifest(ctx, v.String())
		if mft.CodeOf(err) != mft.CodeNotFound {
			return sealed, v.String(), err
		}
	}
	sealed, err = o.manifest(ctx, ".")
	return sealed, ".", err
}

func (o *Origin) manifest(ctx context.Context, dir string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, manifestTimeout)
	defer cancel()
	name := path.Join(dir, release.ManifestFile)
	in, err := o.open(ctx, name)
	if err != nil {
		return nil, o.fail(name, err)
	}
	defer in.Close() // only read from
	b, err := io.ReadAll(io.LimitReader(in, release.MaxManifest+1))
	if err != nil {
		return nil, o.fail(name, err)
	}
	return b, nil // release.Open refuses what is too large
}

// Open returns the content of a file of the release in dir. Whoever reads it
// bounds how much.
func (o *Origin) Open(ctx context.Context, dir, file string) (io.ReadCloser, error) {
	ctx, cancel := context.WithTimeout(ctx, binaryTimeout)
	name := path.Join(dir, file)
	in, err := o.open(ctx, name)
	if err != nil {
		cancel()
		return nil, o.fail(name, err)
	}
	return &content{in, cancel}, nil
}

// content ends the time of an answer when it is closed.
type content struct {
	io.ReadCloser
	cancel context.CancelFunc
}

func (c *content) Close() error {
	defer c.cancel()
	return c.ReadCloser.Close()
}

func (o *Origin) fail(name string, err error) error {
	code := durable.Code(err)
	switch {
	case code == mft.CodeIO && errors.Is(err, context.DeadlineExceeded):
		code = mft.CodeTimeout
	case code == mft.CodeIO: // also of a site
		code = mft.CodeUnreachable
	}
	return mft.Fail(code, "fetch release", path.Join(o.name, name), err)
}

// A folder is a directory of this host.
type folder string

func (f folder) open(_ context.Context, name string) (io.ReadCloser, error) {
	root, err := os.OpenRoot(string(f))
	if err != nil {
		return nil, err
	}
	defer root.Close() // what was opened below it stays open
	// A pipe would block whoever opens it.
	info, err := root.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, mft.Fail(mft.CodeNotRegular, "open", name, nil)
	}
	return root.Open(name)
}

// A site answers by HTTPS.
type site struct {
	at     *url.URL
	client *http.Client
}

func (s *site) open(ctx context.Context, name string) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.at.JoinPath(name).String(), nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept-Encoding", "identity")
	resp, err := s.client.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode == http.StatusOK {
		return resp.Body, nil
	}
	resp.Body.Close()
	code := mft.CodeUnreachable
	switch resp.StatusCode {
	case http.StatusNotFound, http.StatusGone:
		code = mft.CodeNotFound
	case http.StatusUnauthorized, http.StatusForbidden:
		code = mft.CodeNotAllowed
	}
	return nil, mft.Fail(code, "ask", s.at.Host, fmt.Errorf("the server answers %s", resp.Status))
}

// secure follows a few redirects, and none that leaves HTTPS.
func secure(req *http.Request, via []*http.Request) error {
	switch {
	case len(via) > redirects:
		return fmt.Errorf("more than %d redirects", redirects)
	case req.URL.Scheme != "https":
		return mft.Fail(mft.CodeUntrusted, "follow a redirect to", req.URL.Redacted(), errors.New("it leads away from https"))
	}
	return nil
}

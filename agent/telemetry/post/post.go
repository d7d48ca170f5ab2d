// Package post hands a body to a collector by HTTP and tells what became of it.
//
// [Client.Do] sends once: who calls decides when to try again, from the error.
// A [*Refusal] says what the collector answered and how long it wants to be left
// alone; every other error means that it could not be reached. The package
// keeps no body, and puts no header into an error.
package post

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Options say how a collector is connected to.
type Options struct {
	// CA, Certificate and Key are files, "" for none.
	CA, Certificate, Key string
	// HTTP2 has only HTTP/2 spoken, in the clear too.
	HTTP2 bool
	// Follow has redirects followed; nothing secret may be in headers then.
	Follow bool
	// Timeout is how long one exchange may take.
	Timeout time.Duration
}

// A Client speaks to one collector. It connects when it is first used; methods
// may be called concurrently.
type Client struct {
	o Options

	mu   sync.Mutex   // guards http
	http *http.Client // nil before the first use, and after a failure
}

// New returns a client. It reads no file and connects to nobody.
func New(o Options) *Client { return &Client{o: o} }

// An Answer is what came back with success.
type Answer struct {
	Status  int
	Body    []byte
	Trailer http.Header
	Header  http.Header
}

// A Refusal is an answer that is none of success.
type Refusal struct {
	Status int
	// Body begins with what the collector says.
	Body []byte
	// RetryIn is how long it wants to be left alone, zero when it does not say.
	RetryIn time.Duration
	// Large says that the size of the body may be to blame.
	Large bool
}

// Error implements error: "429 Too Many Requests: quota".
func (r *Refusal) Error() string {
	text := strconv.Itoa(r.Status)
	if name := http.StatusText(r.Status); name != "" {
		text += " " + name
	}
	if says := Plain(r.Body); says != "" {
		text += ": " + says
	}
	return text
}

// Bounds of what is read of an answer, in bytes, and of a wish to be left alone.
const (
	maxAnswer = 256 << 10
	maxRetry  = time.Hour
)

// Do posts body to target once. The answer is whole when there is no error.
func (c *Client) Do(ctx context.Context, target string, header http.Header, body []byte) (*Answer, error) {
	client, err := c.client()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, c.o.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(body))
	if err != nil {
		return nil, bare(err)
	}
	req.Header = header
	resp, err := client.Do(req)
	if err != nil {
		c.Forget() // certificates may have been renewed
		return nil, bare(err)
	}
	defer resp.Body.Close()
	content, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		c.Forget()
		return nil, fmt.Errorf("reading the answer: %w", bare(err))
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return nil, &Refusal{Status: resp.StatusCode, Body: content, RetryIn: RetryAfter(resp.Header.Get("Retry-After"), time.Now())}
	}
	return &Answer{Status: resp.StatusCode, Body: content, Trailer: resp.Trailer, Header: resp.Header}, nil
}

// Forget closes the connections, so that the next use begins anew.
func (c *Client) Forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.http != nil {
		c.http.CloseIdleConnections()
		c.http = nil
	}
}

func (c *Client) client() (*http.Client, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.http != nil {
		return c.http, nil
	}
	conf, err := c.o.tls()
	if err != nil {
		return nil, err
	}
	t := &http.Transport{
		Proxy: http.ProxyFromEnvironment, TLSClientConfig: conf, TLSHandshakeTimeout: 10 * time.Second,
		MaxIdleConnsPerHost: 1, IdleConnTimeout: 90 * time.Second, MaxResponseHeaderBytes: 64 << 10,
		WriteBufferSize: 4 << 10, ReadBufferSize: 4 << 10,
	}
	if t.Protocols = new(http.Protocols); c.o.HTTP2 {
		t.Protocols.SetHTTP2(true)
		t.Protocols.SetUnencryptedHTTP2(true)
	} else {
		t.Protocols.SetHTTP1(true)
	}
	c.http = &http.Client{Transport: t}
	if !c.o.Follow {
		c.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	} else {
		c.http.CheckRedirect = follow
	}
	return c.http, nil
}

// follow lets a redirect pass that does not lead out of TLS.
func follow(req *http.Request, via []*http.Request) error {
	if len(via) >= 5 {
		return errors.New("more than 5 redirects")
	}
	if via[0].URL.Scheme == "https" && req.URL.Scheme != "https" {
		return errors.New("a redirect leads away from https")
	}
	return nil
}

// tls reads the files that o names.
func (o Options) tls() (*tls.Config, error) {
	conf := &tls.Config{MinVersion: tls.VersionTLS12}
	if o.CA != "" {
		pem, err := os.ReadFile(o.CA)
		if err != nil {
			return nil, err
		}
		conf.RootCAs = x509.NewCertPool()
		if !conf.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s has no certificate in PEM", o.CA)
		}
	}
	if o.Certificate != "" {
		cert, err := tls.LoadX509KeyPair(o.Certificate, o.Key)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", o.Certificate, err)
		}
		conf.Certificates = []tls.Certificate{cert}
	}
	return conf, nil
}

// bare takes method and URL off an error that is told with the endpoint.
func bare(err error) error {
	var ue *url.Error
	if errors.As(err, &ue) {
		return ue.Err
	}
	return err
}

// Zip returns b compressed by gzip.
func Zip(b []byte) []byte {
	var out bytes.Buffer
	w, err := gzip.NewWriterLevel(&out, gzip.BestSpeed)
	if err != nil {
		return nil // the level is a legal one
	}
	_, _ = w.Write(b) // into memory
	_ = w.Close()
	return out.Bytes()
}

// RetryAfter reads a header of that name, seconds or a date, and bounds it to
// an hour; zero when it says nothing.
func RetryAfter(value string, now time.Time) time.Duration {
	var d time.Duration
	if n, err := strconv.ParseInt(value, 10, 32); err == nil {
		d = time.Duration(n) * time.Second
	} else if at, err := http.ParseTime(value); err == nil {
		d = at.Sub(now)
	}
	return min(max(d, 0), maxRetry)
}

// Plain makes what a collector says fit for one line of people's text, at most
// 200 bytes; "" when it is no text.
func Plain(b []byte) string {
	b = b[:min(len(b), 200)]
	text := strings.ToValidUTF8(string(b), "")
	text = strings.Join(strings.FieldsFunc(text, func(r rune) bool { return r <= ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 }), " ")
	if strings.HasPrefix(text, "<") { // a page for browsers
		return ""
	}
	return text
}

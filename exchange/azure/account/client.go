package account

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/service"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azqueue/v2"
)

const (
	// maxAnswer is the most bytes of an answer that is not the content of an
	// object: 32 messages of 64 KiB, or a page of a listing, with room to spare.
	maxAnswer = 16 << 20
	// tryTimeout is for a request without content to speak of.
	tryTimeout = 30 * time.Second
	// slowest is the rate in bytes per second below which content counts as stuck.
	slowest = 64 << 10
)

// newTransport makes what all clients of one Storage share.
func newTransport() *http.Transport {
	dialer := net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           dialer.DialContext,
		TLSClientConfig:       &tls.Config{MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:   10 * time.Second,
		MaxIdleConns:          64,
		MaxIdleConnsPerHost:   32,
		IdleConnTimeout:       90 * time.Second,
		ExpectContinueTimeout: time.Second,
		DisableCompression:    true, // what is stored is sealed
		WriteBufferSize:       64 << 10,
		ReadBufferSize:        64 << 10,
	}
}

// newClient makes a client that follows no redirects: one could lead a
// credential elsewhere.
func newClient(transport http.RoundTripper) *http.Client {
	return &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// clientOptions are those of every client: few retries, for the caller has a
// schedule of its own, and nothing about this host in the user agent.
func clientOptions(client *http.Client, retry *policy.RetryOptions) policy.ClientOptions {
	if retry == nil {
		retry = &policy.RetryOptions{MaxRetries: 2, RetryDelay: 400 * time.Millisecond, MaxRetryDelay: 4 * time.Second, TryTimeout: tryTimeout}
	}
	return policy.ClientOptions{
		Transport: bounded{client},
		Retry:     *retry,
		Telemetry: policy.TelemetryOptions{ApplicationID: "mft"},
	}
}

// connect makes the clients. The options of each are its own, for the SDK adds
// to them.
func (a *Account) connect(kind credentialKind, token azcore.TokenCredential, options policy.ClientOptions) error {
	c, p := a.Config.Credential, a.place
	blobURL, queueURL := p.blob.String(), p.queue.String()
	with := func(more ...policy.Policy) policy.ClientOptions {
		o := options
		o.PerRetryPolicies = more
		return o
	}
	var err error
	a.Granted, err = service.NewClientWithNoCredential(blobURL, &service.ClientOptions{ClientOptions: with(grantSigner{})})
	if err != nil {
		return unusable(err)
	}
	switch kind {
	case byKey:
		return a.connectByKey(c.AccountKey, with)
	case bySAS:
		a.sign = noSigner
		a.Blobs, err = service.NewClientWithNoCredential(blobURL, &service.ClientOptions{
			ClientOptions: with(sasSigner{p.blob, c.SAS.blobSAS(a.Config.Agent)}),
		})
		if err != nil {
			return unusable(err)
		}
		a.Queues, err = azqueue.NewServiceClientWithNoCredential(queueURL, &azqueue.ClientOptions{
			ClientOptions: with(sasSigner{p.queue, c.SAS.queueSAS(a.Config.Agent)}),
		})
	default:
		if token == nil {
			if token, err = c.token(kind, p, options); err != nil {
				return unusable(err)
			}
		}
		a.Blobs, err = service.NewClient(blobURL, token, &service.ClientOptions{ClientOptions: with()})
		if err != nil {
			return unusable(err)
		}
		a.sign = (&delegation{client: a.Blobs, turn: make(chan struct{}, 1)}).sign
		a.Queues, err = azqueue.NewServiceClient(queueURL, token, &azqueue.ClientOptions{ClientOptions: with()})
	}
	return unusable(err)
}

func (a *Account) connectByKey(secret Secret, with func(...policy.Policy) policy.ClientOptions) error {
	key, err := secret.read("account key")
	if err != nil {
		return err
	}
	forBlobs, err := service.NewSharedKeyCredential(a.place.account, key)
	if err != nil {
		return misfit("read secret", "account key", errors.New("it is not in base64"))
	}
	forQueues, err := azqueue.NewSharedKeyCredential(a.place.account, key)
	if err != nil {
		return misfit("read secret", "account key", errors.New("it is not in base64"))
	}
	a.sign = keySigner(forBlobs)
	a.Blobs, err = service.NewClientWithSharedKeyCredential(a.place.blob.String(), forBlobs, &service.ClientOptions{ClientOptions: with()})
	if err != nil {
		return unusable(err)
	}
	a.Queues, err = azqueue.NewServiceClientWithSharedKeyCredential(a.place.queue.String(), forQueues, &azqueue.ClientOptions{ClientOptions: with()})
	return unusable(err)
}

// call is what one request has of its own.
type call struct {
	limit int64      // the most bytes of its answer
	grant url.Values // what it is signed with, when it is read by grant
}

type callKey struct{}

// WithGrant returns a context for a request of Granted: what signs it, and the
// most bytes of its answer, if they are more than those of other answers.
func WithGrant(ctx context.Context, grant url.Values, limit int64) context.Context {
	return context.WithValue(ctx, callKey{}, call{limit, grant})
}

func callOf(ctx context.Context) call {
	c, _ := ctx.Value(callKey{}).(call)
	c.limit = max(c.limit, maxAnswer)
	return c
}

// WithSize returns a context that gives a request the time that n bytes of
// content may take.
func (a *Account) WithSize(ctx context.Context, n int) context.Context {
	retry := a.retry
	retry.TryTimeout += time.Duration(n) * time.Second / slowest
	return policy.WithRetryOptions(ctx, retry)
}

// bounded is an HTTP client whose answers end at their limit.
type bounded struct{ client *http.Client }

// Do implements policy.Transporter.
func (b bounded) Do(req *http.Request) (*http.Response, error) {
	resp, err := b.client.Do(req)
	if err != nil {
		return nil, err
	}
	resp.Body = &boundedBody{body: resp.Body, left: callOf(req.Context()).limit}
	return resp, nil
}

type boundedBody struct {
	body io.ReadCloser
	left int64
}

var errTooLong = errors.New("the answer is longer than any that makes sense")

// Read implements io.Reader.
func (b *boundedBody) Read(p []byte) (int, error) {
	if b.left < 0 {
		return 0, errTooLong
	}
	// One byte more than is allowed tells an end from a cut.
	n, err := b.body.Read(p[:min(int64(len(p)), b.left+1)])
	b.left -= int64(n)
	if b.left < 0 {
		return n - 1, errTooLong
	}
	return n, err
}

// Close implements io.Closer.
func (b *boundedBody) Close() error { return b.body.Close() }

// A grantSigner adds to a request the grant that its context has.
type grantSigner struct{}

// Do implements policy.Policy.
func (grantSigner) Do(req *policy.Request) (*http.Response, error) {
	addQuery(req.Raw().URL, callOf(req.Raw().Context()).grant)
	return req.Next()
}

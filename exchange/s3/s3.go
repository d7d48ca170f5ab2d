// Package s3 keeps the containers of an exchange in a bucket of S3, or of a
// storage that speaks its protocol. Queues and keys lie elsewhere, in NATS.
//
//	PREFIX AGENT/NAME   an object
//
// An object is a multipart upload until it is published, which is to complete it
// on the condition that nothing has its name. A block is a part: S3 takes 10,000
// of them, and of all but the last at least 5 MiB. What was staged is found again
// after a crash, for the storage lists uploads and their parts.
//
// A grant is a presigned GET of one object, for at most 15 minutes. It is read at
// the endpoint of the reader's own configuration and leads nowhere else; since
// the signature covers the name of the host, all agents have to name the same
// endpoint and bucket. A grant cannot be withdrawn but by removing the object.
//
// [Policy] prints the rights that an agent needs.
package s3

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"mft.dev/mft"
	"mft.dev/mft/exchange"
)

// A Secret returns a secret from where it lies.
type Secret func() (string, error)

// Config says which bucket, as whom, and with what right.
type Config struct {
	// Agent is this agent.
	Agent mft.AgentName
	// Endpoint is the URL of the storage, https://s3.REGION.amazonaws.com when
	// empty. Without TLS it may only be this host.
	Endpoint string
	// Region is where the bucket is, us-east-1 when empty.
	Region string
	Bucket string
	// Prefix is what the names of all objects begin with: "" or "some/thing/".
	Prefix string
	// AccessKey and SecretKey are a pair; without them the credential is that of
	// the machine or the pod (IAM role).
	AccessKey string
	SecretKey Secret
	// CA is a file of certificates in PEM that the storage's must come from.
	CA string
}

// Storage is the bucket as one agent sees it. Its methods may be called by
// several goroutines at once.
type Storage struct {
	config    Config
	client    *minio.Client
	core      minio.Core
	transport *http.Transport
	granted   *http.Client // has no credential

	opening sync.Mutex        // held by who begins an upload
	mu      sync.Mutex        // guards uploads
	uploads map[string]string // by name, as they were found last
}

const retries = 3

// Open makes a Storage. It reads the secret and asks nobody. Errors have
// CodeConfig, or CodeBadName for the name of the agent.
func Open(c Config) (*Storage, error) {
	if _, err := mft.ParseAgentName(string(c.Agent)); err != nil {
		return nil, mft.Fail(mft.CodeBadName, "open bucket as", string(c.Agent), err)
	}
	if c.Region == "" {
		c.Region = "us-east-1"
	}
	if c.Endpoint == "" {
		c.Endpoint = "https://s3." + c.Region + ".amazonaws.com"
	}
	u, err := c.endpoint()
	if err != nil {
		return nil, err
	}
	if c.Bucket == "" || strings.ContainsAny(c.Bucket, "/?# ") || c.Prefix != "" && (!strings.HasSuffix(c.Prefix, "/") || strings.HasPrefix(c.Prefix, "/")) {
		return nil, misfit(c.Bucket, errors.New("want the name of a bucket, and a prefix that ends with / and does not begin with it"))
	}
	key, err := c.credential()
	if err != nil {
		return nil, err
	}
	transport, err := c.transport()
	if err != nil {
		return nil, err
	}
	client, err := minio.New(u.Host, &minio.Options{
		Creds: key, Secure: u.Scheme == "https", Region: c.Region, Transport: transport, MaxRetries: retries,
	})
	if err != nil {
		return nil, misfit(u.Host, errors.New("this is no endpoint"))
	}
	return &Storage{
		config: c, client: client, core: minio.Core{Client: client}, transport: transport, uploads: map[string]string{},
		granted: &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
	}, nil
}

// endpoint reads the URL. What it says in errors has no query.
func (c Config) endpoint() (*url.URL, error) {
	u, err := url.Parse(c.Endpoint)
	if err != nil {
		return nil, misfit("", errors.New("the endpoint is no URL"))
	}
	switch {
	case u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		return nil, misfit(u.Host, errors.New("the endpoint is no https URL of a host"))
	case u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.Trim(u.Path, "/") != "":
		return nil, misfit(u.Host, errors.New("the endpoint has more than a host; the bucket is named apart"))
	case u.Scheme == "http" && !exchange.Loopback(u.Hostname()):
		return nil, misfit(u.Host, errors.New("the endpoint is without TLS, which only this host itself may be"))
	}
	return u, nil
}

func (c Config) credential() (*credentials.Credentials, error) {
	if (c.AccessKey == "") != (c.SecretKey == nil) {
		return nil, misfit(c.Bucket, errors.New("an access key and its secret go together: both or none"))
	}
	if c.SecretKey == nil {
		return credentials.NewIAM(""), nil
	}
	secret, err := c.SecretKey()
	if err != nil {
		return nil, misfit(c.Bucket, err)
	}
	return credentials.NewStaticV4(c.AccessKey, strings.TrimSpace(secret), ""), nil
}

func (c Config) transport() (*http.Transport, error) {
	secure := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.CA != "" {
		pem, err := os.ReadFile(c.CA)
		if err != nil {
			return nil, misfit(c.CA, errors.New("the file of certificates cannot be read"))
		}
		secure.RootCAs = x509.NewCertPool()
		if !secure.RootCAs.AppendCertsFromPEM(pem) {
			return nil, misfit(c.CA, errors.New("there is no certificate in it"))
		}
	}
	dial := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}
	dial.SetMultipathTCP(false) // Landlock does not cover it
	return &http.Transport{
		Proxy: http.ProxyFromEnvironment, DialContext: dial.DialContext, TLSClientConfig: secure, TLSHandshakeTimeout: 10 * time.Second,
		ResponseHeaderTimeout: time.Minute, IdleConnTimeout: 90 * time.Second, MaxIdleConnsPerHost: 32, DisableCompression: true,
		MaxResponseHeaderBytes: 64 << 10,
	}, nil
}

// Close lets go of idle connections.
func (s *Storage) Close() { s.transport.CloseIdleConnections() }

// Notes says what an operator should know of this configuration: nothing when
// all is well.
func (c Config) Notes() []string {
	if strings.HasPrefix(c.Endpoint, "http://") {
		return []string{"the endpoint of S3 is without TLS"}
	}
	return nil
}

var sizes = exchange.Sizes{MinBlock: 5 << 20, MaxBlock: 1 << 30, MaxBlocks: 10_000}

// Exchange returns container and reader as package exchange describes them.
func (s *Storage) Exchange() exchange.Exchange {
	return exchange.Exchange{Container: objects{s}, Reader: reader{s}, Sizes: sizes}
}

// key is the name of an object in the bucket.
func (s *Storage) key(agent mft.AgentName, name string) string {
	return s.config.Prefix + string(agent) + "/" + name
}

// Setup makes the bucket if there is none, and reports what it did.
func (s *Storage) Setup(ctx context.Context) ([]exchange.Step, error) {
	step := exchange.Step{What: "bucket " + s.config.Bucket, Done: "nothing"}
	err := s.look(ctx, s.config.Agent)
	if answered(err, "NoSuchBucket") {
		step.Done = "made"
		err = s.client.MakeBucket(ctx, s.config.Bucket, minio.MakeBucketOptions{Region: s.config.Region})
	}
	if err != nil {
		return nil, Failure(ctx, "set up", step.What, err)
	}
	return []exchange.Step{step}, nil
}

// look lists an object of an agent, if there is any. Whether there is a bucket is
// asked in this way because to ask for the bucket itself takes the right to list
// all of it.
func (s *Storage) look(ctx context.Context, agent mft.AgentName) error {
	within, stop := context.WithCancel(ctx)
	defer stop() // ends the listing of the library
	for info := range s.client.ListObjectsIter(within, s.config.Bucket, minio.ListObjectsOptions{Prefix: s.key(agent, ""), MaxKeys: 1}) {
		return info.Err
	}
	return nil
}

func misfit(subject string, why error) error {
	return mft.Fail(mft.CodeConfig, "open bucket", subject, why)
}

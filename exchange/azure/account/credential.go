package account

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"mft.dev/mft"
)

// A Secret returns a secret from where it is kept, a file or the environment. A
// SAS is read anew for every request, so that it can be renewed without a
// restart; the others are read once, by New.
type Secret func() (string, error)

// A Credential is with what right an agent uses the storage: exactly one of
// its fields.
type Credential struct {
	ManagedIdentity  *ManagedIdentity
	WorkloadIdentity *WorkloadIdentity
	Certificate      *Certificate
	ClientSecret     *ClientSecret
	SAS              *SAS
	// AccountKey is one of the two keys of the account. It opens everything:
	// see Notes.
	AccountKey Secret
}

// ManagedIdentity is the identity that Azure gives to a machine.
type ManagedIdentity struct {
	// ClientID is that of a user-assigned identity, empty for that of the system.
	ClientID string
}

// WorkloadIdentity is that of a Kubernetes service account. What is empty is
// taken from the environment that the cluster's webhook makes.
type WorkloadIdentity struct {
	TenantID, ClientID string
	// TokenFile is where the cluster puts the token, renewed as it likes.
	TokenFile string
}

// Certificate is that of an application.
type Certificate struct {
	TenantID, ClientID string
	// Content is the certificate and its private key, PEM or PKCS #12.
	Content Secret
	// Password is that of PKCS #12, may be nil.
	Password Secret
}

// ClientSecret is the password of an application.
type ClientSecret struct {
	TenantID, ClientID string
	Secret             Secret
}

// SAS is one token for the account, or one for each thing that is used. An
// agent that has nothing else can receive, not send: a SAS makes no grants.
type SAS struct {
	// Account is a SAS of the whole account. When it is set the others are not.
	Account Secret
	// Container (read), Queue (read, add, update, process) and Keys are for what
	// is this agent's, and the statements of keys.
	Container, Queue, Keys Secret
	// Peers has a SAS (add) for the queue of each peer.
	Peers map[mft.AgentName]Secret
}

// A credentialKind is which of them.
type credentialKind int

const (
	byNothing credentialKind = iota
	byManagedIdentity
	byWorkloadIdentity
	byCertificate
	bySecret
	bySAS
	byKey
)

// entra reports whether tokens come from Entra.
func (k credentialKind) entra() bool { return k >= byManagedIdentity && k <= bySecret }

// kind returns the one that is set.
func (c Credential) kind() (credentialKind, error) {
	kind, set := byNothing, 0
	for k, is := range map[credentialKind]bool{
		byManagedIdentity: c.ManagedIdentity != nil, byWorkloadIdentity: c.WorkloadIdentity != nil, byCertificate: c.Certificate != nil,
		bySecret: c.ClientSecret != nil, bySAS: c.SAS != nil, byKey: c.AccountKey != nil,
	} {
		if is {
			kind = k
			set++
		}
	}
	if set != 1 {
		return byNothing, misfit("read storage credential", "", fmt.Errorf(
			"there are %d, and there must be exactly one: managed identity, workload identity, certificate, client secret, SAS or account key", set))
	}
	if kind == bySAS {
		return kind, c.SAS.check()
	}
	return kind, nil
}

func (s *SAS) check() error {
	parts := s.Container != nil || s.Queue != nil || s.Keys != nil || len(s.Peers) > 0
	if parts == (s.Account != nil) {
		return misfit("read storage credential", "SAS", errors.New("give one for the account, or one for each container and queue"))
	}
	return nil
}

// read returns a secret without the line end that editors leave.
func (s Secret) read(what string) (string, error) {
	if s == nil {
		return "", misfit("read secret", what, errors.New("it is not configured"))
	}
	text, err := s()
	if err != nil {
		return "", mft.Fail(mft.CodeConfig, "read secret", what, err)
	}
	if text = strings.TrimSpace(text); text == "" {
		return "", misfit("read secret", what, errors.New("it is empty"))
	}
	return text, nil
}

// token makes the credential of an identity. It asks nobody yet.
func (c Credential) token(kind credentialKind, p place, options policy.ClientOptions) (azcore.TokenCredential, error) {
	options.Cloud = p.cloud
	// Entra itself cannot vouch for an authority that is not its own.
	undiscovered := !p.known
	switch kind {
	case byManagedIdentity:
		o := azidentity.ManagedIdentityCredentialOptions{ClientOptions: options}
		if id := c.ManagedIdentity.ClientID; id != "" {
			o.ID = azidentity.ClientID(id)
		}
		return azidentity.NewManagedIdentityCredential(&o)
	case byWorkloadIdentity:
		w := c.WorkloadIdentity
		return azidentity.NewWorkloadIdentityCredential(&azidentity.WorkloadIdentityCredentialOptions{
			ClientOptions: options, TenantID: w.TenantID, ClientID: w.ClientID, TokenFilePath: w.TokenFile, DisableInstanceDiscovery: undiscovered,
		})
	case byCertificate:
		return c.Certificate.token(&azidentity.ClientCertificateCredentialOptions{
			ClientOptions: options, DisableInstanceDiscovery: undiscovered, SendCertificateChain: true,
		})
	default:
		secret, err := c.ClientSecret.Secret.read("client secret")
		if err != nil {
			return nil, err
		}
		return azidentity.NewClientSecretCredential(c.ClientSecret.TenantID, c.ClientSecret.ClientID, secret,
			&azidentity.ClientSecretCredentialOptions{ClientOptions: options, DisableInstanceDiscovery: undiscovered})
	}
}

func (c *Certificate) token(options *azidentity.ClientCertificateCredentialOptions) (azcore.TokenCredential, error) {
	content, err := c.Content.read("client certificate")
	if err != nil {
		return nil, err
	}
	var password []byte
	if c.Password != nil {
		p, err := c.Password.read("password of the client certificate")
		if err != nil {
			return nil, err
		}
		password = []byte(p)
	}
	certificates, key, err := azidentity.ParseCertificates([]byte(content), password)
	if err != nil {
		// The cause may quote what it could not read.
		return nil, misfit("read client certificate", "", errors.New("it is not a certificate with its private key in PEM or PKCS #12, or the password is wrong"))
	}
	return azidentity.NewClientCertificateCredential(c.TenantID, c.ClientID, certificates, key, options)
}

// A sasSigner adds to a request the SAS for the container or queue that it is
// for. It is the only place where a SAS meets a URL.
type sasSigner struct {
	endpoint *url.URL
	pick     func(name string) (Secret, string)
}

// Do implements policy.Policy.
func (s sasSigner) Do(req *policy.Request) (*http.Response, error) {
	secret, what := s.pick(first(s.endpoint, req.Raw().URL.Path))
	if secret == nil {
		return nil, final{mft.Fail(mft.CodeNotAllowed, "sign request", "", fmt.Errorf("there is no SAS for %s", what))}
	}
	text, err := secret.read("SAS for " + what)
	if err != nil {
		return nil, final{err}
	}
	values, err := url.ParseQuery(strings.TrimPrefix(text, "?"))
	if err != nil || values.Get("sig") == "" {
		return nil, final{misfit("read SAS", what, errors.New("it is no SAS: it has no signature"))}
	}
	addQuery(req.Raw().URL, values)
	return req.Next()
}

// blobSAS and queueSAS pick the SAS for a container and for a queue.
func (s *SAS) blobSAS(own mft.AgentName) func(string) (Secret, string) {
	return func(name string) (Secret, string) {
		switch {
		case s.Account != nil:
			return s.Account, "the account"
		case name == string(own):
			return s.Container, "the container of this agent"
		case name == KeysContainer:
			return s.Keys, "the container " + KeysContainer
		}
		return nil, "the container of another agent"
	}
}

func (s *SAS) queueSAS(own mft.AgentName) func(string) (Secret, string) {
	return func(name string) (Secret, string) {
		switch {
		case s.Account != nil:
			return s.Account, "the account"
		case name == string(own):
			return s.Queue, "the queue of this agent"
		}
		return s.Peers[mft.AgentName(name)], "the queue of " + name
	}
}

// addQuery adds values to the query of u. The retries of a request share u, so
// what is there already is replaced.
func addQuery(u *url.URL, values url.Values) {
	query := u.Query()
	for k, v := range values {
		query[k] = v
	}
	u.RawQuery = query.Encode()
}

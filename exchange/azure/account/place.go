package account

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
)

// emulatorAccount is the account that every emulator has. Its key is public.
const emulatorAccount = "devstoreaccount1"

// A place is where the storage is, and who gives tokens for it.
type place struct {
	account     string
	blob, queue *url.URL // without a slash at the end
	cloud       cloud.Configuration
	known       bool // the cloud is one that Entra itself vouches for
}

// clouds are the domains of storage in the clouds that the SDK knows.
var clouds = [...]struct {
	suffix string
	is     cloud.Configuration
}{
	{"core.windows.net", cloud.AzurePublic},
	{"core.usgovcloudapi.net", cloud.AzureGovernment},
	{"core.chinacloudapi.cn", cloud.AzureChina},
}

// place reads the endpoints of a configuration.
func (c Config) place() (place, error) {
	p := place{account: c.Account}
	bad := func(subject, why string, args ...any) (place, error) {
		return place{}, misfit("read storage endpoint", subject, fmt.Errorf(why, args...))
	}
	if len(c.Account) < 3 || len(c.Account) > 24 || strings.Trim(c.Account, "abcdefghijklmnopqrstuvwxyz0123456789") != "" {
		return bad(c.Account, "the name of a storage account has 3 to 24 characters a-z and 0-9")
	}
	suffix := c.Suffix
	if suffix == "" {
		suffix = clouds[0].suffix
	}
	if (c.BlobURL == "") != (c.QueueURL == "") {
		return bad(c.BlobURL+c.QueueURL, "give the URLs of both the blobs and the queues, or of none")
	}
	blob, queue := c.BlobURL, c.QueueURL
	if blob == "" {
		blob, queue = "https://"+c.Account+".blob."+suffix, "https://"+c.Account+".queue."+suffix
	}
	var err error
	if p.blob, err = c.endpoint(blob); err != nil {
		return bad("", "%w", err)
	}
	if p.queue, err = c.endpoint(queue); err != nil {
		return bad("", "%w", err)
	}
	return c.authority(p, suffix)
}

// authority finds who gives tokens.
func (c Config) authority(p place, suffix string) (place, error) {
	p.cloud = clouds[0].is
	p.known = c.Account == emulatorAccount
	for _, known := range clouds {
		if suffix == known.suffix {
			p.cloud, p.known = known.is, true
		}
	}
	if c.Authority == "" {
		if kind, _ := c.Credential.kind(); kind.entra() && !p.known {
			return place{}, misfit("read storage endpoint", suffix, errors.New("this is no cloud that is known here: say which Entra gives tokens for it (authority)"))
		}
		return p, nil
	}
	u, err := url.Parse(c.Authority)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" {
		return place{}, misfit("read authority", "", errors.New("it is no https URL of a host"))
	}
	p.cloud = cloud.Configuration{ActiveDirectoryAuthorityHost: c.Authority, Services: map[cloud.ServiceName]cloud.ServiceConfiguration{}}
	p.known = false
	return p, nil
}

// endpoint reads the URL of a service. What it says in errors has no query,
// for somebody may have put a SAS there.
func (c Config) endpoint(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil {
		return nil, errors.New("an endpoint is no URL")
	}
	if u.RawQuery != "" || u.User != nil || u.Fragment != "" {
		return nil, fmt.Errorf("the endpoint at %s has more than a host and a path; a SAS is a credential of its own", u.Host)
	}
	if u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return nil, fmt.Errorf("the endpoint %q is no https URL of a host", u.Redacted())
	}
	if u.Scheme == "http" && c.Account != emulatorAccount {
		return nil, fmt.Errorf("the endpoint at %s is without TLS, which only the emulator (account %s) may be", u.Host, emulatorAccount)
	}
	u.Path = strings.TrimRight(u.Path, "/")
	if p := strings.TrimPrefix(u.Path, "/"); p != "" && p != c.Account {
		return nil, fmt.Errorf("the endpoint at %s has the path %q; only the name of the account may stand there", u.Host, u.Path)
	}
	return u, nil
}

// tokenHost returns what the SDK takes for the name of the account when it
// signs with a delegated key.
func (p place) tokenHost() string {
	first, _, _ := strings.Cut(p.blob.Host, ".")
	return first
}

// plain reports whether the storage is without TLS.
func (p place) plain() bool { return p.blob.Scheme == "http" || p.queue.Scheme == "http" }

// first returns the first component of a path below an endpoint: the container
// or queue that a request is for.
func first(endpoint *url.URL, path string) string {
	rest := strings.TrimPrefix(strings.TrimPrefix(path, endpoint.Path), "/")
	name, _, _ := strings.Cut(rest, "/")
	return name
}

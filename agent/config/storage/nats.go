package storage

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"mft.dev/mft/agent/config/leaf"
)

// NATS is a cluster of NATS, with the storage that containers lie in.
type NATS struct {
	Servers    []Server    `yaml:"servers" json:"servers" need:"yes" doc:"URLs of the servers, such as tls://nats.example:4222."`
	Credential *User       `yaml:"credential,omitempty" json:"credential,omitempty" doc:"As whom: at most one. Default: none, or the certificate of tls."`
	TLS        *TLS        `yaml:"tls,omitempty" json:"tls,omitempty" doc:"How the servers are verified, and what this agent shows them."`
	Replicas   Copies      `yaml:"replicas,omitempty" json:"replicas,omitempty" doc:"On how many servers what setup makes is kept: 1 to 5. Default: 1; a cluster wants 3."`
	Containers *Containers `yaml:"containers,omitempty" json:"containers,omitempty" doc:"Where objects lie: exactly one. Default: in NATS too."`
}

// Check implements strict.Whole.
func (n *NATS) Check() error {
	if len(n.Servers) == 0 {
		return errors.New("name at least one server")
	}
	for _, s := range n.Servers {
		if n.Credential != nil && (n.Credential.Password != nil || n.Credential.Token != nil) && strings.HasPrefix(string(s), "nats://") && !s.local() {
			return fmt.Errorf("a password or a token crosses the network as it is to %s: write tls://, or use creds or nkey", s)
		}
	}
	return nil
}

// A User is at most one of its credentials.
type User struct {
	Creds    *Secret `yaml:"creds,omitempty" json:"creds,omitempty" doc:"File of user credentials (JWT and seed), as nsc makes it."`
	Nkey     *Secret `yaml:"nkey,omitempty" json:"nkey,omitempty" doc:"Seed of an nkey of a user."`
	User     Word    `yaml:"user,omitempty" json:"user,omitempty" doc:"Name of a user, with password."`
	Password *Secret `yaml:"password,omitempty" json:"password,omitempty" doc:"Password of the user."`
	Token    *Secret `yaml:"token,omitempty" json:"token,omitempty" doc:"A token. Prefer any of the above."`
}

// Check implements strict.Whole.
func (u *User) Check() error {
	if (u.User == "") != (u.Password == nil) {
		return errors.New("user and password go together: both or none")
	}
	if n := count(u.Creds != nil, u.Nkey != nil, u.Password != nil, u.Token != nil); n != 1 {
		return fmt.Errorf("want exactly one of creds, nkey, user with password, and token, not %d", n)
	}
	return nil
}

// TLS is how servers are verified, and what this agent shows them.
type TLS struct {
	CA    Path       `yaml:"ca,omitempty" json:"ca,omitempty" doc:"File of certificates (PEM) that the server's must come from. Default: those of this host."`
	Cert  Path       `yaml:"cert,omitempty" json:"cert,omitempty" doc:"This agent's certificate (PEM), with key."`
	Key   Path       `yaml:"key,omitempty" json:"key,omitempty" doc:"Its private key, for the user of the agent alone."`
	First leaf.YesNo `yaml:"first,omitempty" json:"first,omitempty" doc:"Begin with the handshake, where the servers do (handshake_first). Default: false."`
}

// Check implements strict.Whole.
func (t *TLS) Check() error {
	if (t.Cert == "") != (t.Key == "") {
		return errors.New("cert and key go together: both or none")
	}
	return nil
}

// Containers is exactly one of its fields.
type Containers struct {
	NATS  *Here  `yaml:"nats,omitempty" json:"nats,omitempty" doc:"In NATS: {}. For little content, and agents that trust each other: see docs/exchange.md."`
	S3    *S3    `yaml:"s3,omitempty" json:"s3,omitempty" doc:"In a bucket of S3, or of a storage that speaks its protocol."`
	Azure *Azure `yaml:"azure,omitempty" json:"azure,omitempty" doc:"In a storage account of Azure, whose queues are not used."`
}

// Check implements strict.Whole.
func (c *Containers) Check() error {
	if n := count(c.NATS != nil, c.S3 != nil, c.Azure != nil); n != 1 {
		return errors.New("want exactly one of nats, s3 and azure")
	}
	return nil
}

// Here is in the cluster of the queues.
type Here struct{}

// S3 is a bucket.
type S3 struct {
	Bucket     Word    `yaml:"bucket" json:"bucket" need:"yes" doc:"Name of the bucket."`
	Prefix     Prefix  `yaml:"prefix,omitempty" json:"prefix,omitempty" doc:"What names in the bucket begin with; it ends with a slash. Default: nothing."`
	Region     Word    `yaml:"region,omitempty" json:"region,omitempty" doc:"Region of the bucket. Default: us-east-1."`
	Endpoint   URL     `yaml:"endpoint,omitempty" json:"endpoint,omitempty" doc:"URL of the storage, the same for all agents. Default: that of AWS in the region."`
	CA         Path    `yaml:"ca,omitempty" json:"ca,omitempty" doc:"File of certificates (PEM) that the storage's must come from. Default: those of this host."`
	Credential *Access `yaml:"credential,omitempty" json:"credential,omitempty" doc:"An access key. Default: the role of the machine or the pod."`
}

// Access is a pair of keys.
type Access struct {
	AccessKey Word   `yaml:"access_key" json:"access_key" need:"yes" doc:"Id of the access key."`
	Secret    Secret `yaml:"secret" json:"secret" need:"yes" doc:"Where its secret lies."`
}

// A Server is the URL of a server of NATS; it holds no secret.
type Server string

// ReadText implements strict.Leaf.
func (v *Server) ReadText(s string) error {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "nats" && u.Scheme != "tls" || u.Hostname() == "" {
		return errors.New("want the URL of a server, such as tls://nats.example:4222")
	}
	if u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.Trim(u.Path, "/") != "" {
		return errors.New("the URL has more than a host and a port; a user and its password are a credential")
	}
	*v = Server(s)
	return nil
}

// Schema implements strict.Leaf.
func (*Server) Schema() map[string]any { return leaf.Text(`^(nats|tls)://[^/?#@]+/?$`) }

// local reports whether the server is on this host.
func (v *Server) local() bool { return local(string(*v)) }

// Copies is a number of replicas.
type Copies int

// ReadText implements strict.Leaf.
func (v *Copies) ReadText(s string) error {
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > 5 {
		return errors.New("want a number from 1 to 5")
	}
	*v = Copies(n)
	return nil
}

// Schema implements strict.Leaf.
func (*Copies) Schema() map[string]any {
	return map[string]any{"type": "integer", "minimum": 1, "maximum": 5}
}

// A Prefix is a path in a bucket.
type Prefix string

// ReadText implements strict.Leaf.
func (v *Prefix) ReadText(s string) error {
	if !strings.HasSuffix(s, "/") || strings.HasPrefix(s, "/") || len(s) > 200 || strings.Contains(s, "//") ||
		strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_/") != "" {
		return errors.New("want a path such as mft/ that ends with a slash and does not begin with one (letters, digits, - and _)")
	}
	*v = Prefix(s)
	return nil
}

// Schema implements strict.Leaf.
func (*Prefix) Schema() map[string]any { return leaf.Text(`^([A-Za-z0-9_-]+/)+$`) }

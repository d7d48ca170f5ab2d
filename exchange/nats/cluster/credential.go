package cluster

import (
	"errors"
	"net/url"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"mft.dev/mft"
	"mft.dev/mft/exchange"
)

// A Secret returns a secret from where it lies.
type Secret func() (string, error)

// A Credential is at most one of its fields, Password with User. None is for
// servers that know this agent by its certificate.
type Credential struct {
	// Creds is the content of a file of user credentials (JWT and seed).
	Creds Secret
	// Nkey is the seed of a user's key.
	Nkey Secret
	// User has a Password.
	User     string
	Password Secret
	Token    Secret
}

// bare reports whether the secret itself is sent to the server.
func (c Credential) bare() bool { return c.Password != nil || c.Token != nil }

// option says in the words of the library how to prove who this is.
func (c Credential) option() ([]nats.Option, error) {
	n := 0
	for _, is := range []bool{c.Creds != nil, c.Nkey != nil, c.Password != nil, c.Token != nil} {
		if is {
			n++
		}
	}
	if n > 1 || (c.User == "") != (c.Password == nil) {
		return nil, misfit("", errors.New("want at most one credential, and a password with a user"))
	}
	// One that cannot be read is told now, and not by a server that refuses it.
	for what, s := range map[string]Secret{"password": c.Password, "token": c.Token} {
		if s == nil {
			continue
		}
		if _, err := s(); err != nil {
			return nil, misfit(what, err)
		}
	}
	switch {
	case c.Creds != nil:
		if _, err := c.Creds.jwt(); err != nil {
			return nil, misfit("creds", err)
		}
		if _, err := c.Creds.sign(nil); err != nil {
			return nil, misfit("creds", err)
		}
		return []nats.Option{nats.UserJWT(c.Creds.jwt, c.Creds.sign)}, nil
	case c.Nkey != nil:
		public, err := c.Nkey.public()
		if err != nil {
			return nil, err
		}
		return []nats.Option{nats.Nkey(public, c.Nkey.sign)}, nil
	case c.Password != nil:
		return []nats.Option{nats.UserInfoHandler(func() (string, string) { return c.User, c.Password.line() })}, nil
	case c.Token != nil:
		return []nats.Option{nats.TokenHandler(c.Token.line)}, nil
	}
	return nil, nil
}

// line returns a secret without what an editor puts around it, "" when it cannot
// be read: the server refuses that.
func (s Secret) line() string {
	text, err := s()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(text)
}

var errNoKey = errors.New("there is no seed of a user in it")

func (s Secret) jwt() (string, error) {
	text, err := s()
	if err != nil {
		return "", err
	}
	token, err := nkeys.ParseDecoratedJWT([]byte(text))
	if err != nil || token == "" {
		return "", errors.New("there are no user credentials in it")
	}
	return token, nil
}

// pair reads the key. What the library says of one that it cannot read is not
// passed on, for it may quote it.
func (s Secret) pair() (nkeys.KeyPair, error) {
	text, err := s()
	if err != nil {
		return nil, err
	}
	if pair, err := nkeys.ParseDecoratedUserNKey([]byte(text)); err == nil {
		return pair, nil
	}
	pair, err := nkeys.FromSeed([]byte(strings.TrimSpace(text)))
	if err != nil {
		return nil, errNoKey
	}
	return pair, nil
}

func (s Secret) sign(nonce []byte) ([]byte, error) {
	pair, err := s.pair()
	if err != nil {
		return nil, err
	}
	defer pair.Wipe()
	return pair.Sign(nonce)
}

func (s Secret) public() (string, error) {
	pair, err := s.pair()
	if err != nil {
		return "", misfit("nkey", err)
	}
	defer pair.Wipe()
	public, err := pair.PublicKey()
	if err != nil || !nkeys.IsValidPublicUserKey(public) {
		return "", misfit("nkey", errNoKey)
	}
	return public, nil
}

// Notes says what an operator should know of this configuration: nothing when
// all is well.
func (c Config) Notes() []string {
	var out []string
	k := c.Credential
	if k.Creds == nil && k.Nkey == nil && !k.bare() && c.TLS.Cert == "" {
		out = append(out, "no credential is configured: the servers take this agent for whoever they take the others for, "+
			"and each agent can read and remove what is another's (it stays sealed)")
	}
	for _, s := range c.Servers {
		u, err := url.Parse(s)
		if err == nil && u.Scheme == "nats" && !exchange.Loopback(u.Hostname()) && !c.TLS.First && c.TLS.CA == "" && c.TLS.Cert == "" {
			out = append(out, "the connection is only encrypted if the server asks for it; tls:// asks for it here")
			break
		}
	}
	return out
}

// Fits refuses what is no name of an agent, with CodeBadName.
func Fits(op string, agent mft.AgentName) error {
	if _, err := mft.ParseAgentName(string(agent)); err != nil {
		return mft.Fail(mft.CodeBadName, op, string(agent), err)
	}
	return nil
}

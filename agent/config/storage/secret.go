package storage

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"mft.dev/mft/internal/confine/filesys"
)

// A Secret says where a secret lies: in exactly one of a file and a variable
// of the environment.
type Secret struct {
	File Path     `yaml:"file,omitempty" json:"file,omitempty" doc:"File with the secret and nothing else, for the user of the agent alone."`
	Env  Variable `yaml:"env,omitempty" json:"env,omitempty" doc:"Variable of the environment of the agent."`

	inline string
}

// Inline returns a secret that stands in a file of azure-mft. Written, it is the
// variable v, where somebody may put it.
func Inline(text string, v Variable) Secret { return Secret{Env: v, inline: text} }

// String says where the secret lies, and not what it is.
func (s Secret) String() string {
	if s.File != "" {
		return "file " + string(s.File)
	}
	return "variable " + string(s.Env)
}

// GoString implements fmt.GoStringer.
func (s Secret) GoString() string { return s.String() }

// maxSecret bounds what is read of a file, in bytes: a certificate has a few KiB.
const maxSecret = 64 << 10

// Read returns the secret, which is never empty. Errors say where it lies.
func (s Secret) Read(env func(string) string) (string, error) {
	text := s.inline
	switch {
	case text != "":
	case s.File != "":
		var err error
		if text, err = readFile(string(s.File)); err != nil {
			return "", err
		}
	default:
		text = env(string(s.Env))
	}
	if strings.TrimSpace(text) == "" {
		return "", fmt.Errorf("%s is empty", s)
	}
	return text, nil
}

func readFile(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("file %s: %w", path, filesys.Cause(err))
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	if err != nil {
		return "", fmt.Errorf("file %s: %w", path, filesys.Cause(err))
	}
	if len(content) > maxSecret {
		return "", fmt.Errorf("file %s has more than %d bytes, which is no secret", path, maxSecret)
	}
	return string(content), nil
}

// Check implements strict.Whole.
func (s *Secret) Check() error {
	if (s.File == "") == (s.Env == "") {
		return errors.New("want exactly one of file and env")
	}
	return nil
}

var errPasted = errors.New("a secret does not stand in this file; say where it lies: {file: PATH} or {env: NAME}. " +
	"If it stood here, others may have seen it: renew it")

// ReadShort implements strict.Short: it refuses a secret that was pasted.
func (*Secret) ReadShort(string) error { return errPasted }

// ShortSchema implements strict.Short.
func (*Secret) ShortSchema() map[string]any { return nothing() }

// nothing describes what nothing is.
func nothing() map[string]any { return map[string]any{"not": map[string]any{}} }

// Files returns the files of e that hold secrets.
func (e *Exchange) Files() []Path {
	switch {
	case e.Azure != nil:
		return e.Azure.Credential.files()
	case e.NATS != nil:
		return e.NATS.files()
	}
	return nil
}

func (n *NATS) files() []Path {
	var out []Path
	if u := n.Credential; u != nil {
		out = appendFiles(out, u.Creds, u.Nkey, u.Password, u.Token)
	}
	if n.TLS != nil && n.TLS.Key != "" {
		out = append(out, n.TLS.Key)
	}
	switch c := n.Containers; {
	case c == nil:
	case c.S3 != nil && c.S3.Credential != nil:
		out = appendFiles(out, &c.S3.Credential.Secret)
	case c.Azure != nil:
		out = append(out, c.Azure.Credential.files()...)
	}
	return out
}

func appendFiles(out []Path, list ...*Secret) []Path {
	for _, s := range list {
		if s != nil && s.File != "" {
			out = append(out, s.File)
		}
	}
	return out
}

func (c *Credential) files() []Path {
	out := appendFiles(nil, c.AccountKey)
	if c.Certificate != nil {
		out = appendFiles(append(out, c.Certificate.File), c.Certificate.Password)
	}
	if c.ClientSecret != nil {
		out = appendFiles(out, &c.ClientSecret.Secret)
	}
	if c.SAS != nil {
		whole, _ := c.SAS.Whole()
		out = appendFiles(out, &whole, c.SAS.Container, c.SAS.Queue, c.SAS.Keys)
		for _, name := range slices.Sorted(maps.Keys(c.SAS.Peers)) {
			s := c.SAS.Peers[name]
			out = appendFiles(out, &s)
		}
	}
	return out
}

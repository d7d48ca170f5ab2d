package storage

import (
	"errors"
	"net"
	"net/url"
	"path/filepath"
	"strings"

	"mft.dev/mft/agent/config/leaf"
)

// A Path is an absolute path on this host.
type Path string

// ReadText implements strict.Leaf.
func (v *Path) ReadText(s string) error {
	switch {
	case strings.HasPrefix(s, "~"):
		return errors.New("~ is not expanded here; write the absolute path")
	case !filepath.IsAbs(s):
		return errors.New("want an absolute path")
	case len(s) > 4096 || strings.ContainsRune(s, 0):
		return errors.New("a path has at most 4096 bytes, none of them NUL")
	}
	*v = Path(filepath.Clean(s))
	return nil
}

// Schema implements strict.Leaf.
func (*Path) Schema() map[string]any { return leaf.Text("") }

// A Word is a name or an id without spaces.
type Word string

// ReadText implements strict.Leaf.
func (v *Word) ReadText(s string) error {
	if s == "" || len(s) > 256 || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == 0x7f || r == '=' || r == '&' }) {
		return errors.New("want one word, without = and &")
	}
	*v = Word(s)
	return nil
}

// Schema implements strict.Leaf.
func (*Word) Schema() map[string]any { return leaf.Text(`^[^\s=&]+$`) }

// A URL leads to a service; it holds no secret.
type URL string

// ReadText implements strict.Leaf.
func (v *URL) ReadText(s string) error {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return errors.New("want the URL of a host, such as https://contosomft.blob.core.windows.net")
	}
	if u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return errors.New("the URL has more than a host and a path; a SAS is a credential, and lies in a file or a variable")
	}
	*v = URL(s)
	return nil
}

// Schema implements strict.Leaf.
func (*URL) Schema() map[string]any { return leaf.Text(`^https?://[^?#@]+$`) }

// Local reports whether the service is on this host.
func (v URL) Local() bool { return local(string(v)) }

// local reports whether a URL leads to this host.
func local(s string) bool {
	u, err := url.Parse(s)
	if err != nil {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}

// A Variable is the name of one of the environment.
type Variable string

// ReadText implements strict.Leaf. What does not look like a name may be the
// secret itself.
func (v *Variable) ReadText(s string) error {
	named := s != "" && len(s) <= 64 && (s[0] < '0' || s[0] > '9') && strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == ""
	if !named {
		return errors.New("want the name of a variable (A-Z, 0-9, _), such as MFT_SAS; the secret itself does not stand in this file")
	}
	*v = Variable(s)
	return nil
}

// Schema implements strict.Leaf.
func (*Variable) Schema() map[string]any { return leaf.Text("^[A-Z_][A-Z0-9_]{0,63}$") }

package release

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

const (
	// MaxManifest is the size in bytes above which a manifest is refused unread.
	MaxManifest = 64 << 10
	// MaxBinary is the size in bytes above which a binary is none.
	MaxBinary = 512 << 20
	// maxBinaries is how many systems one release is for.
	maxBinaries = 64
	// maxSignatures is how many keys sign one release.
	maxSignatures = 16
	// maxLife is how long a manifest may be good for.
	maxLife = 5 * 366 * 24 * time.Hour
)

// A Manifest names the binaries of one version.
type Manifest struct {
	// Version is what the binaries say of themselves.
	Version string `json:"version"`
	// Minimum is the oldest version that this one may take the place of.
	Minimum string `json:"minimum"`
	// Issued and Expires bound when it may be installed for the first time; in
	// UTC and whole seconds.
	Issued  time.Time `json:"issued"`
	Expires time.Time `json:"expires"`
	// Binaries are sorted by system and architecture, one each.
	Binaries []Binary `json:"binaries"`
}

// A Binary is the program for one system.
type Binary struct {
	OS   string `json:"os"`   // as Go names it: linux, windows, darwin
	Arch string `json:"arch"` // as Go names it: amd64, arm64
	// File is its name in the directory of the manifest.
	File string `json:"file"`
	// Size is in bytes.
	Size int64 `json:"size"`
	// SHA256 is its digest in hexadecimal.
	SHA256 string `json:"sha256"`
}

// encode returns the only form of m.
func (m Manifest) encode() ([]byte, error) {
	b, err := json.MarshalIndent(m, "", "  ")
	return append(b, '\n'), err
}

// parse reads what encode writes and nothing else.
func parse(body []byte) (Manifest, error) {
	var m Manifest
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(&m); err != nil {
		return Manifest{}, fmt.Errorf("reading the manifest: %w", err)
	}
	if err := m.check(); err != nil {
		return Manifest{}, err
	}
	if again, err := m.encode(); err != nil || !bytes.Equal(again, body) {
		return Manifest{}, errors.New("the manifest is not written as mft writes it")
	}
	return m, nil
}

// check reports what makes no sense in m, whoever signed it.
func (m Manifest) check() error {
	v, err := ParseVersion(m.Version)
	if err != nil {
		return err
	}
	least, err := ParseVersion(m.Minimum)
	switch {
	case err != nil:
		return fmt.Errorf("minimum: %w", err)
	case v.String() != m.Version || least.String() != m.Minimum:
		return errors.New("a version in a manifest begins with a digit")
	case least.Compare(v) > 0:
		return errors.New("the minimum is above the version")
	case !whole(m.Issued) || !whole(m.Expires) || !m.Issued.Before(m.Expires) || m.Expires.Sub(m.Issued) > maxLife:
		return errors.New("the times are not in UTC and whole seconds, the later one at most five years after the first")
	case len(m.Binaries) == 0 || len(m.Binaries) > maxBinaries:
		return fmt.Errorf("it names %d binaries, want 1 to %d", len(m.Binaries), maxBinaries)
	}
	for i, b := range m.Binaries {
		if err := b.check(); err != nil {
			return err
		}
		if i > 0 && order(m.Binaries[i-1], b) >= 0 {
			return errors.New("the binaries are not in order, one for each system")
		}
	}
	return nil
}

// order sorts binaries.
func order(a, b Binary) int {
	if c := strings.Compare(a.OS, b.OS); c != 0 {
		return c
	}
	return strings.Compare(a.Arch, b.Arch)
}

func whole(t time.Time) bool {
	return t.Location() == time.UTC && t.Nanosecond() == 0 && t.Unix() > 0 && t.Year() < 9999
}

func (b Binary) check() error {
	digest, err := hex.DecodeString(b.SHA256)
	switch {
	case !plain(b.OS, 32) || !plain(b.Arch, 32):
		return fmt.Errorf("%q is no system and %q no architecture", clip(b.OS), clip(b.Arch))
	case !FileName(b.File):
		return fmt.Errorf("%q is no name of a file beside the manifest", clip(b.File))
	case b.Size < 1 || b.Size > MaxBinary:
		return fmt.Errorf("%s has %d bytes, want 1 to %d", b.File, b.Size, MaxBinary)
	case err != nil || len(digest) != 32 || strings.ToLower(b.SHA256) != b.SHA256:
		return fmt.Errorf("the SHA-256 of %s is not 64 small hexadecimal digits", b.File)
	}
	return nil
}

func plain(s string, most int) bool {
	return s != "" && len(s) <= most && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789_") == ""
}

// FileName reports whether s may name a file in a manifest: one component that
// every system and every URL takes as it is.
func FileName(s string) bool {
	return s != "" && len(s) <= 128 && utf8.ValidString(s) && s[0] != '.' && s[0] != '-' &&
		strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") == "" && !strings.HasSuffix(s, ".")
}

// For returns the binary for a system.
func (m Manifest) For(os, arch string) (Binary, bool) {
	i := slices.IndexFunc(m.Binaries, func(b Binary) bool { return b.OS == os && b.Arch == arch })
	if i < 0 {
		return Binary{}, false
	}
	return m.Binaries[i], true
}

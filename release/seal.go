package release

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"

	"mft.dev/mft"
)

const (
	// ManifestFile is the name of the manifest in the directory of a release.
	ManifestFile = "release.mft"
	// firstLine begins a sealed manifest.
	firstLine = "mft release 1"
	// domain stands before the bytes that are signed, so that no signature for
	// anything else is one for a release.
	domain = "mft.dev/mft release manifest 1\x00"
)

// opOpen is what an error of Open was about.
const opOpen = "open release manifest"

// A signature is one line of a sealed manifest.
type signature struct {
	key   Key
	bytes []byte
}

// Seal writes m and signs it with every key. The binaries are sorted; the error
// is mft.CodeConfig when m makes no sense.
func Seal(m Manifest, keys ...SigningKey) ([]byte, error) {
	const op = "sign release"
	m.Binaries = slices.SortedFunc(slices.Values(m.Binaries), order)
	if err := m.check(); err != nil {
		return nil, mft.Fail(mft.CodeConfig, op, m.Version, err)
	}
	if len(keys) == 0 || len(keys) > maxSignatures {
		return nil, mft.Fail(mft.CodeConfig, op, m.Version, fmt.Errorf("want 1 to %d keys, not %d", maxSignatures, len(keys)))
	}
	body, err := m.encode()
	if err != nil {
		return nil, mft.Fail(mft.CodeInternal, op, m.Version, err)
	}
	var signatures []signature
	for _, k := range keys {
		signatures = append(signatures, k.sign(body))
	}
	return join(signatures, body), nil
}

func (k SigningKey) sign(body []byte) signature {
	return signature{k.Public(), ed25519.Sign(k.private, append([]byte(domain), body...))}
}

// Countersign adds a signature to a sealed manifest, for a key that is to take
// the place of another. One of the pinned keys must have signed it before.
func Countersign(sealed []byte, pinned []Key, key SigningKey) ([]byte, error) {
	if _, _, err := Open(sealed, pinned); err != nil {
		return nil, err
	}
	signatures, body, err := split(sealed)
	if err != nil {
		return nil, err // Open has seen it
	}
	signatures = slices.DeleteFunc(signatures, func(s signature) bool { return s.key == key.Public() })
	if len(signatures) == maxSignatures {
		return nil, mft.Fail(mft.CodeConfig, "sign release", "", fmt.Errorf("it has %d signatures already", maxSignatures))
	}
	return join(append(signatures, key.sign(body)), body), nil
}

// Open returns the manifest and the pinned key that has signed it. The error
// is mft.CodeBadRelease when none has, or when what was signed makes no sense.
func Open(sealed []byte, pinned []Key) (Manifest, Key, error) {
	fail := func(err error) (Manifest, Key, error) {
		return Manifest{}, "", mft.Fail(mft.CodeBadRelease, opOpen, "", err)
	}
	signatures, body, err := split(sealed)
	if err != nil {
		return fail(err)
	}
	for _, s := range signatures {
		if slices.Contains(pinned, s.key) && s.key.verify(append([]byte(domain), body...), s.bytes) {
			m, err := parse(body)
			if err != nil {
				return fail(err)
			}
			return m, s.key, nil
		}
	}
	return fail(errors.New("no key that is trusted here has signed it"))
}

func join(signatures []signature, body []byte) []byte {
	var b bytes.Buffer
	b.WriteString(firstLine + "\n")
	for _, s := range signatures {
		fmt.Fprintf(&b, "%s %s\n", s.key, base64.RawURLEncoding.EncodeToString(s.bytes))
	}
	b.WriteByte('\n')
	b.Write(body)
	return b.Bytes()
}

// split takes a sealed manifest apart. It believes nothing of it.
func split(sealed []byte) ([]signature, []byte, error) {
	if len(sealed) > MaxManifest {
		return nil, nil, fmt.Errorf("it is larger than %d bytes", MaxManifest)
	}
	head, body, found := bytes.Cut(sealed, []byte("\n\n"))
	lines := strings.Split(string(head), "\n")
	switch {
	case lines[0] != firstLine:
		return nil, nil, fmt.Errorf("it does not begin with %q", firstLine)
	case !found || len(lines) < 2 || len(lines) > 1+maxSignatures:
		return nil, nil, fmt.Errorf("it does not have 1 to %d signatures before an empty line", maxSignatures)
	}
	var out []signature
	for _, line := range lines[1:] {
		name, text, _ := strings.Cut(line, " ")
		key, err := ParseKey(name)
		if err != nil {
			return nil, nil, err
		}
		b, err := base64.RawURLEncoding.Strict().DecodeString(text)
		if err != nil || len(b) != ed25519.SignatureSize {
			return nil, nil, errors.New("a signature is not 64 bytes in base64")
		}
		out = append(out, signature{key, b})
	}
	return out, body, nil
}

package release

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"mft.dev/mft"
	"mft.dev/mft/internal/durable"
)

// A Key is the public half of a key that signs releases, in the form in which
// a configuration pins it: mftr1: and 43 characters.
type Key string

const keyPrefix = "mftr1:"

// ParseKey reads a public key.
func ParseKey(s string) (Key, error) {
	text, ok := strings.CutPrefix(s, keyPrefix)
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if !ok || err != nil || len(b) != ed25519.PublicKeySize {
		return "", fmt.Errorf("want a key as `mft release key` prints it: %s and 43 characters", keyPrefix)
	}
	return Key(s), nil
}

// verify reports whether signature is that of this key over message.
func (k Key) verify(message, signature []byte) bool {
	b, err := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(string(k), keyPrefix))
	return err == nil && len(b) == ed25519.PublicKeySize && ed25519.Verify(ed25519.PublicKey(b), message, signature)
}

// A SigningKey signs releases.
type SigningKey struct{ private ed25519.PrivateKey }

// NewKey makes a key.
func NewKey() (SigningKey, error) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	return SigningKey{private}, err
}

// Public returns what hosts pin.
func (k SigningKey) Public() Key {
	public := k.private.Public().(ed25519.PublicKey)
	return Key(keyPrefix + base64.RawURLEncoding.EncodeToString(public))
}

// pemType is that of PKCS #8, which other programs read too.
const pemType = "PRIVATE KEY"

// maxKeyFile is more than any key of this kind takes.
const maxKeyFile = 16 << 10

// Write makes the file of the key, for its owner only. A file that is there is
// never replaced: the error is mft.CodeExists.
func (k SigningKey) Write(path string) error {
	const op = "write release key"
	der, err := x509.MarshalPKCS8PrivateKey(k.private)
	if err != nil {
		return mft.Fail(mft.CodeInternal, op, path, err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return mft.Fail(durable.Code(err), op, path, err)
	}
	err = pem.Encode(f, &pem.Block{Type: pemType, Bytes: der})
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return mft.Fail(mft.CodeIO, op, path, errors.Join(err, os.Remove(path)))
	}
	return nil
}

// ReadKey reads the file of a key. Its error never quotes the content.
func ReadKey(path string) (SigningKey, error) {
	const op = "read release key"
	f, err := os.Open(path)
	if err != nil {
		return SigningKey{}, mft.Fail(durable.Code(err), op, path, err)
	}
	defer f.Close() // only read from
	content, err := io.ReadAll(io.LimitReader(f, maxKeyFile))
	if err != nil {
		return SigningKey{}, mft.Fail(mft.CodeIO, op, path, err)
	}
	k, err := parseSigningKey(content)
	if err != nil {
		return SigningKey{}, mft.Fail(mft.CodeConfig, op, path, err)
	}
	return k, nil
}

func parseSigningKey(content []byte) (SigningKey, error) {
	wrong := errors.New("it is no Ed25519 private key in PEM, as `mft release key` makes it")
	block, _ := pem.Decode(content)
	if block == nil || block.Type != pemType {
		return SigningKey{}, wrong
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return SigningKey{}, wrong
	}
	private, ok := parsed.(ed25519.PrivateKey)
	if !ok {
		return SigningKey{}, wrong
	}
	return SigningKey{private}, nil
}

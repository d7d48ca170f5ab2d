package identity

import (
	"bytes"
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/internal/durable"
)

// All keys of an agent are in one file, so that a rotation is one rename:
// there is no moment at which a key has a certificate of another.

const keyFileVersion = 1

type keyFile struct {
	Version int             `json:"version"`
	Name    mft.AgentName   `json:"name"`
	Signing []signingRecord `json:"signing"`
	Sealing []sealingRecord `json:"sealing"`
}

type signingRecord struct {
	Created      time.Time `json:"created"`
	Expires      time.Time `json:"expires,omitzero"`
	Private      []byte    `json:"private"` // PKCS #8
	Certificates [][]byte  `json:"certificates"`
}

type sealingRecord struct {
	Created   time.Time `json:"created"`
	Expires   time.Time `json:"expires,omitzero"`
	Private   []byte    `json:"private"` // PKCS #8
	Statement []byte    `json:"statement"`
}

func makePrivateDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if err := checkDir(dir); err != nil {
		return mft.Fail(mft.CodeConfig, "open keys directory", dir, err)
	}
	return durable.SyncDir(filepath.Dir(dir))
}

func readRing(path string, name mft.AgentName) (ring keyRing, found bool, err error) {
	content, err := readFile(path, checkPrivate)
	if errors.Is(err, fs.ErrNotExist) {
		return keyRing{}, false, nil
	}
	if err != nil {
		return keyRing{}, false, mft.Fail(fileCode(err), "read keys", path, err)
	}
	var file keyFile
	if err := decodeStrict(content, &file); err != nil {
		// The cause is left out: it could quote a part of a key.
		return keyRing{}, false, mft.Fail(mft.CodeCorrupt, "read keys", path, errors.New("the file is not what mft wrote"))
	}
	if file.Version != keyFileVersion {
		return keyRing{}, false, mft.Fail(mft.CodeCorrupt, "read keys", path,
			fmt.Errorf("the file has version %d, this program knows %d", file.Version, keyFileVersion))
	}
	if file.Name != name {
		return keyRing{}, false, mft.Fail(mft.CodeConfig, "read keys", path,
			fmt.Errorf("these are the keys of agent %q, not of %q", file.Name, name))
	}
	ring, err = file.ring()
	if err != nil {
		return keyRing{}, false, mft.Fail(mft.CodeCorrupt, "read keys", path, err)
	}
	return ring, true, nil
}

func (f keyFile) ring() (keyRing, error) {
	var ring keyRing
	for _, r := range f.Signing {
		parsed, err := x509.ParsePKCS8PrivateKey(r.Private)
		private, ok := parsed.(ed25519.PrivateKey)
		if err != nil || !ok {
			return ring, errors.New("a signing key is not an Ed25519 key in PKCS #8")
		}
		pin, err := PinOf(private.Public())
		if err != nil {
			return ring, err
		}
		ring.signing = append(ring.signing, signingKey{private, pin, r.Created, r.Expires, r.Certificates})
	}
	for _, r := range f.Sealing {
		parsed, err := x509.ParsePKCS8PrivateKey(r.Private)
		private, ok := parsed.(*ecdh.PrivateKey)
		if err != nil || !ok || private.Curve() != ecdh.X25519() {
			return ring, errors.New("a sealing key is not an X25519 key in PKCS #8")
		}
		pin, err := PinOf(private.PublicKey())
		if err != nil {
			return ring, err
		}
		ring.sealing = append(ring.sealing, sealingKey{private, pin, r.Created, r.Expires, r.Statement})
	}
	return ring, ring.check(f.Name)
}

func writeRing(path string, name mft.AgentName, ring keyRing) error {
	file := keyFile{Version: keyFileVersion, Name: name}
	for _, k := range ring.signing {
		der, err := x509.MarshalPKCS8PrivateKey(k.private)
		if err != nil {
			return mft.Fail(mft.CodeInternal, "write keys", path, err)
		}
		file.Signing = append(file.Signing, signingRecord{k.created, k.expires, der, k.chain})
	}
	for _, k := range ring.sealing {
		der, err := x509.MarshalPKCS8PrivateKey(k.private)
		if err != nil {
			return mft.Fail(mft.CodeInternal, "write keys", path, err)
		}
		file.Sealing = append(file.Sealing, sealingRecord{k.created, k.expires, der, k.statement})
	}
	return writeJSON("write keys", path, file)
}

// writeJSON writes v durably, readable by the owner only.
func writeJSON(op, path string, v any) error {
	content, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return mft.Fail(mft.CodeInternal, op, path, err)
	}
	if err := durable.WriteFile(path, append(content, '\n'), 0o600); err != nil {
		return mft.Fail(fileCode(err), op, path, err)
	}
	return nil
}

// readFile reads the file at path if allowed finds nothing wrong with what is
// open, so that the file that was checked is the file that is read.
func readFile(path string, allowed func(fs.FileInfo) error) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() // only read from
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if err := allowed(info); err != nil {
		return nil, mft.Fail(mft.CodeConfig, "open", path, err)
	}
	return io.ReadAll(f)
}

// decodeStrict refuses unknown fields and anything after the value.
func decodeStrict(content []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(content))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("something follows the value")
	}
	return nil
}

// fileCode returns the code for a failure of the file system, or the code
// that err already has.
func fileCode(err error) mft.Code {
	switch {
	case mft.CodeOf(err) != mft.CodeOther:
		return mft.CodeOf(err)
	case errors.Is(err, fs.ErrPermission):
		return mft.CodePermission
	case isFull(err):
		return mft.CodeNoSpace
	case errors.Is(err, fs.ErrNotExist):
		return mft.CodeNotFound
	}
	return mft.CodeIO
}

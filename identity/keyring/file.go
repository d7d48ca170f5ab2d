package keyring

import (
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/identity/statefile"
)

// All keys of an agent are in one file, so that a rotation is one rename:
// there is no moment at which a key has a certificate of another.

const fileVersion = 1

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

// Read reads the keys of the agent called name. Errors are *mft.Error values:
// mft.CodeNotFound when there is no file, mft.CodeConfig when the keys are
// those of another agent or other users of the host could use the file,
// mft.CodeCorrupt when it cannot be understood.
func Read(path string, name mft.AgentName) (Ring, error) {
	const op = "read keys"
	var file keyFile
	if err := statefile.Read(op, path, statefile.Private, &file); err != nil {
		return Ring{}, err
	}
	if file.Version != fileVersion {
		return Ring{}, mft.Fail(mft.CodeCorrupt, op, path,
			fmt.Errorf("the file has version %d, this program knows %d", file.Version, fileVersion))
	}
	if file.Name != name {
		return Ring{}, mft.Fail(mft.CodeConfig, op, path,
			fmt.Errorf("these are the keys of agent %q, not of %q", file.Name, name))
	}
	ring, err := file.ring()
	if err != nil {
		return Ring{}, mft.Fail(mft.CodeCorrupt, op, path, err)
	}
	return ring, nil
}

func (f keyFile) ring() (Ring, error) {
	var ring Ring
	for _, r := range f.Signing {
		parsed, err := x509.ParsePKCS8PrivateKey(r.Private)
		private, ok := parsed.(ed25519.PrivateKey)
		if err != nil || !ok {
			return ring, errors.New("a signing key is not an Ed25519 key in PKCS #8")
		}
		ring.Signing = append(ring.Signing, Signing{private, r.Created, r.Expires, r.Certificates})
	}
	for _, r := range f.Sealing {
		parsed, err := x509.ParsePKCS8PrivateKey(r.Private)
		private, ok := parsed.(*ecdh.PrivateKey)
		if err != nil || !ok || private.Curve() != ecdh.X25519() {
			return ring, errors.New("a sealing key is not an X25519 key in PKCS #8")
		}
		ring.Sealing = append(ring.Sealing, Sealing{private, r.Created, r.Expires, r.Statement})
	}
	return ring, ring.check(f.Name)
}

// Write replaces the file at path by the keys of ring, and returns once they
// are on stable storage.
func Write(path string, name mft.AgentName, ring Ring) error {
	const op = "write keys"
	file := keyFile{Version: fileVersion, Name: name}
	for _, k := range ring.Signing {
		der, err := x509.MarshalPKCS8PrivateKey(k.Private)
		if err != nil {
			return mft.Fail(mft.CodeInternal, op, path, err)
		}
		file.Signing = append(file.Signing, signingRecord{k.Created, k.Expires, der, k.Chain})
	}
	for _, k := range ring.Sealing {
		der, err := x509.MarshalPKCS8PrivateKey(k.Private)
		if err != nil {
			return mft.Fail(mft.CodeInternal, op, path, err)
		}
		file.Sealing = append(file.Sealing, sealingRecord{k.Created, k.Expires, der, k.Statement})
	}
	return statefile.Write(op, path, file)
}

// Package limit is what this machine can do at best: a copy over one TLS 1.3
// connection and nothing else, and the digest of a file. Both ends of the copy
// are programs of their own, so that their CPU time can be told apart.
//
//	err := limit.Receive(ctx, "127.0.0.1:0", path, announce)
//	err := limit.Send(ctx, address, pin, path)
//
// The copy refuses to be more than a bound: it neither checks, flushes nor
// keeps anything but the bytes.
package limit

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"io"
	"math/big"
	"net"
	"os"
	"time"

	"mft.dev/mft/internal/blake3"
)

const chunk = 1 << 20

// Receive listens at an address, tells announce where that is and what the
// certificate's fingerprint is, and writes what one connection sends to path.
func Receive(ctx context.Context, address, path string, announce func(address, pin string)) error {
	cert, pin, err := certificate()
	if err != nil {
		return err
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", address)
	if err != nil {
		return err
	}
	defer l.Close()
	announce(l.Addr().String(), pin)
	conn, err := l.Accept()
	if err != nil {
		return err
	}
	defer conn.Close()
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	plain := tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS13})
	err = move(f, plain)
	return errors.Join(err, f.Close())
}

// Send sends the file at path to a receiver that shows a certificate with the
// fingerprint pin, and returns when that one has taken it.
func Send(ctx context.Context, address, pin, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	d := tls.Dialer{Config: &tls.Config{
		MinVersion:         tls.VersionTLS13,
		InsecureSkipVerify: true, // the fingerprint tells instead
		VerifyConnection: func(s tls.ConnectionState) error {
			if fingerprint(s.PeerCertificates[0].Raw) != pin {
				return errors.New("the receiver is another one")
			}
			return nil
		},
	}}
	conn, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := move(conn, f); err != nil {
		return err
	}
	if err := conn.(*tls.Conn).CloseWrite(); err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, conn); err != nil {
		return err
	}
	return nil
}

// Digest computes the BLAKE3 digest of a file.
func Digest(path string) ([32]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return [32]byte{}, err
	}
	defer f.Close()
	h := blake3.New()
	if err := move(h, f); err != nil {
		return [32]byte{}, err
	}
	return h.Sum(), nil
}

// move copies in large pieces, also where io.Copy would know another way.
func move(to io.Writer, from io.Reader) error {
	_, err := io.CopyBuffer(struct{ io.Writer }{to}, struct{ io.Reader }{from}, make([]byte, chunk))
	return err
}

func certificate() (tls.Certificate, string, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, "", err
	}
	now := time.Now()
	shape := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, shape, shape, key.Public(), key)
	if err != nil {
		return tls.Certificate{}, "", err
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, fingerprint(der), nil
}

func fingerprint(der []byte) string {
	sum := sha256.Sum256(der)
	return hex.EncodeToString(sum[:])
}

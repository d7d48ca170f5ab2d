package link

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"

	"mft.dev/mft"
	"mft.dev/mft/identity"
	"mft.dev/mft/protocol"
)

// The application protocols (RFC 7301) that share the port.
const (
	protoControl = "mft-control/1"
	protoData    = "mft-data/1"
	protoJoin    = "mft-join/1"
)

// tlsConfig is what all connections have in common. Peers are verified by
// their keys in verify, at both ends, in place of a certificate authority:
// InsecureSkipVerify only says that crypto/tls itself asks none.
//
// The suites of TLS 1.3 need no choice: crypto/tls prefers AES-128-GCM where
// both ends have AES instructions and ChaCha20-Poly1305 elsewhere.
func tlsConfig(proto string, own *tls.Certificate, verify func(tls.ConnectionState) error) *tls.Config {
	return &tls.Config{
		MinVersion:                  tls.VersionTLS13,
		Certificates:                []tls.Certificate{*own},
		NextProtos:                  []string{proto},
		ClientAuth:                  tls.RequireAnyClientCert,
		InsecureSkipVerify:          true,
		VerifyConnection:            verify,
		CurvePreferences:            []tls.CurveID{tls.X25519MLKEM768, tls.X25519},
		SessionTicketsDisabled:      true,
		DynamicRecordSizingDisabled: true,
	}
}

// verifyProto comes before every other check: a peer that speaks no
// application protocol at all would otherwise get past the choice.
func verifyProto(s tls.ConnectionState, want string) error {
	if s.NegotiatedProtocol != want {
		return mft.Fail(mft.CodeProtocol, "greet", "", fmt.Errorf("the peer does not speak %s", want))
	}
	if len(s.PeerCertificates) == 0 {
		return mft.Fail(mft.CodeUntrusted, "greet", "", errors.New("the peer shows no certificate"))
	}
	return nil
}

// A caller is the authenticated other end of a control connection.
type caller struct {
	name mft.AgentName
	pin  identity.Pin
}

// controlTLS returns the configuration for a control connection, and where it
// puts who the other end is. With a name in expect, only that peer will do.
func (l *Link) controlTLS(own *tls.Certificate, expect mft.AgentName) (*tls.Config, *caller) {
	who := &caller{}
	return tlsConfig(protoControl, own, func(s tls.ConnectionState) (err error) {
		if err := verifyProto(s, protoControl); err != nil {
			return err
		}
		leaf, now := s.PeerCertificates[0], l.c.Now()
		if who.pin, err = identity.PinOf(leaf.PublicKey); err != nil {
			return err
		}
		known := l.c.Trust.Trusts(mft.AgentName(leaf.Subject.CommonName), who.pin, now)
		if who.name, err = l.c.Trust.VerifyChain(s.PeerCertificates, now); err != nil {
			return err
		}
		if !known {
			l.c.Log.Info("a peer has a new key", "peer", who.name, "pin", who.pin)
			if l.c.Rotated != nil {
				l.c.Rotated(who.name, who.pin)
			}
		}
		if expect != "" && who.name != expect {
			return mft.Fail(mft.CodeUntrusted, "connect to peer", string(expect),
				fmt.Errorf("agent %q answers at its address", who.name))
		}
		return nil
	}), who
}

// dataTLS returns the configuration for a data connection on which the other
// end must show the certificate with fingerprint peerKey.
func dataTLS(own *tls.Certificate, peerKey [32]byte) *tls.Config {
	return tlsConfig(protoData, own, func(s tls.ConnectionState) error {
		if err := verifyProto(s, protoData); err != nil {
			return err
		}
		if identity.Fingerprint(s.PeerCertificates[0].Raw) != peerKey {
			return mft.Fail(mft.CodeUntrusted, "open data connection", "",
				errors.New("the other end shows another certificate than it signed for"))
		}
		return nil
	})
}

// serverName names the conversation that a data connection is for. It is
// public: it lets the other end find what to verify against, and proves
// nothing.
func serverName(id mft.TransferID, nonce protocol.Nonce) string {
	return "t-" + hex.EncodeToString(id[:]) + "." + hex.EncodeToString(nonce[:8]) + ".mft"
}

// ownKeyID returns the id of the key of a certificate that this agent shows.
func ownKeyID(own *tls.Certificate) ([16]byte, error) {
	leaf, err := x509.ParseCertificate(own.Certificate[0])
	if err != nil {
		return [16]byte{}, fmt.Errorf("reading this agent's certificate: %w", err)
	}
	pin, err := identity.PinOf(leaf.PublicKey)
	return pin.KeyID(), err
}

// broken gives an error of a connection its code.
func broken(op, subject string, err error) error {
	code := brokenCode(err)
	if code == mft.CodeUntrusted && refusedByPeer(err) {
		err = fmt.Errorf("the other end does not accept this one's key: %w", err)
	}
	return mft.Fail(code, op, subject, err)
}

// brokenCode finds the code for an error of a connection. What verification
// at this end found has one already.
func brokenCode(err error) mft.Code {
	var coded *mft.Error
	switch {
	case refusedByPeer(err):
		return mft.CodeUntrusted
	case errors.As(err, &coded):
		return coded.Code
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		return mft.CodeTimeout
	}
	return mft.CodeDisconnected
}

// alerted reports whether err is an alert of the other end's TLS.
func alerted(err error) bool {
	var alert *net.OpError
	return errors.As(err, &alert) && alert.Op == "remote error"
}

// refusedByPeer reports whether the other end's verification found our key
// wanting. crypto/tls has no type for that alert, only its text.
func refusedByPeer(err error) bool {
	return alerted(err) && strings.Contains(err.Error(), "tls: bad certificate")
}

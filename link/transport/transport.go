// Package transport is how connections between agents are made: the TLS that
// all of them use, the settings of TCP, and what their errors mean.
//
// [TLS] gives the configuration for one application protocol and one way to
// verify the other end. The package asks no certificate authority and refuses
// to let anything but the caller's function decide whose key is right.
package transport

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/identity"
)

// Listen listens for connections of TCP, and of no other kind: confinement by Landlock does
// not cover multipath TCP. The error is mft.CodeConfig.
func Listen(ctx context.Context, address string) (net.Listener, error) {
	var lc net.ListenConfig
	lc.SetMultipathTCP(false)
	ln, err := lc.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, mft.Fail(mft.CodeConfig, "listen on", address, err)
	}
	return ln, nil
}

// The application protocols (RFC 7301) that share the port of an agent.
const (
	Control = "mft-control/1"
	Data    = "mft-data/1"
	Join    = "mft-join/1"
)

// TLS returns what both ends of a connection use: TLS 1.3, this end showing
// the certificate own, the other end one that verify accepts. The application
// protocol has been agreed on, and a certificate was shown, when verify is
// called.
//
// InsecureSkipVerify only says that crypto/tls itself asks no certificate
// authority. The suites of TLS 1.3 need no choice: crypto/tls prefers
// AES-128-GCM where both ends have AES instructions and ChaCha20-Poly1305
// elsewhere.
func TLS(proto string, own *tls.Certificate, verify func(tls.ConnectionState) error) *tls.Config {
	return &tls.Config{
		MinVersion:         tls.VersionTLS13,
		Certificates:       []tls.Certificate{*own},
		NextProtos:         []string{proto},
		ClientAuth:         tls.RequireAnyClientCert,
		InsecureSkipVerify: true,
		VerifyConnection: func(s tls.ConnectionState) error {
			if s.NegotiatedProtocol != proto {
				// A peer that speaks none would get past the choice.
				return mft.Fail(mft.CodeProtocol, "greet", "", fmt.Errorf("the peer does not speak %s", proto))
			}
			if len(s.PeerCertificates) == 0 {
				return mft.Fail(mft.CodeUntrusted, "greet", "", errors.New("the peer shows no certificate"))
			}
			return verify(s)
		},
		CurvePreferences:            []tls.CurveID{tls.X25519MLKEM768, tls.X25519},
		SessionTicketsDisabled:      true,
		DynamicRecordSizingDisabled: true,
	}
}

// DataTLS returns the configuration for a data connection on which the other
// end must show the certificate with fingerprint peerKey.
func DataTLS(own *tls.Certificate, peerKey [32]byte) *tls.Config {
	return TLS(Data, own, func(s tls.ConnectionState) error {
		if identity.Fingerprint(s.PeerCertificates[0].Raw) != peerKey {
			return mft.Fail(mft.CodeUntrusted, "open data connection", "",
				errors.New("the other end shows another certificate than it signed for"))
		}
		return nil
	})
}

// Failure gives an error of a connection its code.
func Failure(op, subject string, err error) error {
	code := Code(err)
	if code == mft.CodeUntrusted && refusedByPeer(err) {
		err = fmt.Errorf("the other end does not accept this one's key: %w", err)
	}
	return mft.Fail(code, op, subject, err)
}

// Code finds the code for an error of a connection. What verification at this
// end found has one already.
func Code(err error) mft.Code {
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

// Alerted reports whether err is an alert of the other end's TLS.
func Alerted(err error) bool {
	var alert *net.OpError
	return errors.As(err, &alert) && alert.Op == "remote error"
}

// refusedByPeer reports whether the other end's verification found our key
// wanting. crypto/tls has no type for that alert, only its text.
func refusedByPeer(err error) bool {
	return Alerted(err) && strings.Contains(err.Error(), "tls: bad certificate")
}

// Interruptible breaks off what is done on conn when ctx ends. The function it
// returns ends that and reports whether ctx had not ended before.
func Interruptible(ctx context.Context, conn net.Conn) (stop func() bool) {
	return context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
}

// Interrupted says that ctx ended while something was done, with code
// mft.CodeTimeout or mft.CodeCancelled.
func Interrupted(op string, ctx context.Context) error {
	code := mft.CodeCancelled
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		code = mft.CodeTimeout
	}
	return mft.Fail(code, op, "", context.Cause(ctx))
}

// Dial connects to HOST:PORT.
func Dial(ctx context.Context, address string) (net.Conn, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", address)
	if err == nil {
		Tune(conn)
	}
	return conn, err
}

// Tune sets what the defaults of the system leave out. Buffer sizes are left
// to it: a size that is set ends its own tuning, which reaches further.
func Tune(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		// An error means that the connection is gone, which is found out soon.
		_ = tcp.SetNoDelay(true)
		_ = tcp.SetKeepAliveConfig(net.KeepAliveConfig{
			Enable: true, Idle: 30 * time.Second, Interval: 10 * time.Second, Count: 3,
		})
	}
}

// Dismiss closes a connection so that what TLS has told the other end, why it
// was refused, gets there: a close while more is coming in would make the
// network throw it away. It takes a second at most.
func Dismiss(conn net.Conn) {
	defer conn.Close() // nothing is left to lose
	half, ok := conn.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil || conn.SetReadDeadline(time.Now().Add(time.Second)) != nil {
		return
	}
	_, _ = io.CopyN(io.Discard, conn, 64<<10)
}

// KeyID returns the id of the key of a certificate that this agent shows.
func KeyID(own *tls.Certificate) ([16]byte, error) {
	leaf, err := x509.ParseCertificate(own.Certificate[0])
	if err != nil {
		return [16]byte{}, fmt.Errorf("reading this agent's certificate: %w", err)
	}
	pin, err := identity.PinOf(leaf.PublicKey)
	return pin.KeyID(), err
}

// Sleep waits and reports whether ctx still goes on.
func Sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

package network

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"

	"mft.dev/mft"
	"mft.dev/mft/internal/restrict"
	"mft.dev/mft/link/transport"
)

// The messages of the process. Each but kindReady is about one connection, by the number of the
// message: even for one that came in, which the process counts, odd for one that the agent asked
// for.
const (
	kindReady  = 1 // ready: once, first
	kindCall   = 2 // call: somebody has connected; answered by kindPass, kindServe or kindRefuse
	kindSign   = 3 // what is signed in a handshake; answered by kindSigned or kindRefuse
	kindShown  = 4 // shown: what the other end has shown; answered by kindAccept or kindRefuse
	kindSecure = 5 // secured: the handshake is done, after kindSigned and kindAccept
	kindRaw    = 6 // what was heard, with the connection: after kindPass or kindDial
	kindFailed = 7 // failure: there is no connection
	kindEnded  = 8 // failure: after kindSecure, why there is nothing more to hear
)

// The messages of the agent.
const (
	kindPass    = 20 // the connection is wanted as it is
	kindServe   = 21 // shown: the handshake is wanted, with these certificates
	kindRefuse  = 22 // the connection is not wanted, or not any more
	kindSigned  = 23 // the signature
	kindAccept  = 24 // with the socket that what is said goes over
	kindDial    = 25 // dial: a connection is wanted on which nothing was said
	kindConnect = 26 // dial: one whose handshake is done
)

const (
	// maxMessage is more than any message has: a chain of certificates, or what was heard, is the
	// longest.
	maxMessage = 160 << 10
	maxHeard   = 128 << 10
	// maxChain and maxCertificate bound what an end shows: more than an agent has.
	maxChain       = 16
	maxCertificate = 8 << 10
	maxText        = 1024
)

// A ready is what the process says of itself.
type ready struct {
	Walls     restrict.Report
	Listening string // "" for one that only dials
}

// A call is an incoming connection.
type call struct{ Remote, Proto, ServerName string }

// A shown chain is of certificates in DER.
type shown struct{ Chain [][]byte }

// A secured connection has its handshake done.
type secured struct {
	Remote    string
	Exporter  [32]byte
	RoundTrip int64 // nanoseconds, as the kernel has measured it; 0 for unknown
}

// A dial is an order. Proto and Chain are for kindConnect.
type dial struct {
	Address, Proto string
	Chain          [][]byte
}

// A failure is an error on its way. Alert says that the other end's TLS has refused; an empty
// failure that nothing has failed.
type failure struct {
	Alert  bool
	Code   mft.Code
	Detail string
}

func failureOf(err error) failure {
	if err == nil {
		return failure{}
	}
	var op *net.OpError
	if transport.Alerted(err) && errors.As(err, &op) {
		return failure{Alert: true, Detail: clip(op.Err.Error())}
	}
	return failure{Code: transport.Code(err), Detail: clip(err.Error())}
}

func clip(s string) string { return s[:min(len(s), maxText)] }

// err is the error that a failure stands for.
func (f failure) err() error {
	switch {
	case f.Alert:
		return &net.OpError{Op: "remote error", Err: errors.New(clip(f.Detail))}
	case f.Code == "" && f.Detail == "":
		return nil
	case f.Code.Known() && !f.Code.OK():
		return mft.Fail(f.Code, "use the network process", "", errors.New(clip(f.Detail)))
	}
	return errors.New(clip(f.Detail))
}

// certificates reads a chain.
func (s shown) certificates() ([]*x509.Certificate, error) {
	if len(s.Chain) == 0 || len(s.Chain) > maxChain {
		return nil, fmt.Errorf("%d certificates are no chain", len(s.Chain))
	}
	var out []*x509.Certificate
	for _, der := range s.Chain {
		if len(der) > maxCertificate {
			return nil, errors.New("a certificate is too long")
		}
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	return out, nil
}

// remote reads the address of another end.
func remote(s string) (net.Addr, error) {
	a, err := netip.ParseAddrPort(s)
	if err != nil {
		return nil, err
	}
	return net.TCPAddrFromAddrPort(a), nil
}

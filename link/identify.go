package link

import (
	"crypto/tls"
	"fmt"

	"mft.dev/mft"
	"mft.dev/mft/identity"
	"mft.dev/mft/link/transport"
)

// A caller is the authenticated other end of a control connection.
type caller struct {
	name mft.AgentName
	pin  identity.Pin
}

// controlTLS returns the configuration for a control connection, and where it
// puts who the other end is. With a name in expect, only that peer will do.
func (l *Link) controlTLS(own *tls.Certificate, expect mft.AgentName) (*tls.Config, *caller) {
	who := &caller{}
	return transport.TLS(transport.Control, own, func(s tls.ConnectionState) (err error) {
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

package link

import (
	"crypto/tls"
	"crypto/x509"
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

// controlTerms returns the terms of a control connection, and where it
// puts who the other end is. With a name in expect, only that peer will do.
func (l *Link) controlTerms(own *tls.Certificate, expect mft.AgentName) (transport.Terms, *caller) {
	who := &caller{}
	return transport.Terms{Proto: transport.Control, Own: own, Verify: func(chain []*x509.Certificate) (err error) {
		leaf, now := chain[0], l.c.Now()
		if who.pin, err = identity.PinOf(leaf.PublicKey); err != nil {
			return err
		}
		known := l.c.Trust.Trusts(mft.AgentName(leaf.Subject.CommonName), who.pin, now)
		if who.name, err = l.c.Trust.VerifyChain(chain, now); err != nil {
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
	}}, who
}

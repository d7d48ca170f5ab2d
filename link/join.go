package link

import (
	"context"
	"crypto/tls"

	"mft.dev/mft/identity"
	"mft.dev/mft/link/join"
	"mft.dev/mft/link/transport"
)

// host is this agent as one of two that pair.
func (l *Link) host() join.Host {
	return join.Host{
		Name: l.c.Name, Keys: l.c.Keys, Trust: l.c.Trust, Invites: l.c.Invites, Address: l.c.Address, Now: l.c.Now,
	}
}

// Join dials the inviter and redeems an invitation there. Serve need not run. Errors:
// mft.CodeUnreachable, and those of join.Host.Redeem.
func (l *Link) Join(ctx context.Context, invite identity.Invite, allowed identity.Peer) (identity.Peer, error) {
	ctx, cancel := context.WithTimeout(ctx, dialWithin)
	defer cancel()
	h := l.host()
	terms, err := h.Invited(invite)
	if err != nil {
		return identity.Peer{}, err
	}
	s, err := l.network(nil).Connect(ctx, invite.Address, terms)
	if err != nil {
		return identity.Peer{}, join.Failure(invite, err)
	}
	defer s.Close() // its work is done or has failed
	return h.Redeem(ctx, s, invite, allowed)
}

// greetGuest is the inviter's side.
func (l *Link) greetGuest(ctx context.Context, s *transport.Secure, own *tls.Certificate) error {
	guest, err := l.host().Admit(ctx, s, own)
	if err != nil {
		l.c.Log.Warn("a guest was refused", "remote", s.RemoteAddr(), "error", err)
		return err
	}
	l.c.Log.Info("a guest has become a peer", "remote", s.RemoteAddr(), "peer", guest.Name)
	if l.c.Joined != nil {
		l.c.Joined(guest)
	}
	return s.Close()
}

package link

import (
	"context"
	"crypto/tls"

	"mft.dev/mft"
	"mft.dev/mft/identity"
	"mft.dev/mft/link/join"
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
	conn, err := l.dial(ctx, invite.Address)
	if err != nil {
		return identity.Peer{}, mft.Fail(mft.CodeUnreachable, "join", string(invite.Name)+" at "+invite.Address, err)
	}
	defer conn.Close() // its work is done or has failed
	return l.host().Redeem(ctx, conn, invite, allowed)
}

// greetGuest is the inviter's side.
func (l *Link) greetGuest(ctx context.Context, secure *tls.Conn, r *reception) (func(context.Context), error) {
	guest, err := l.host().Admit(ctx, secure, r.own)
	if err != nil {
		l.c.Log.Warn("a guest was refused", "remote", secure.RemoteAddr(), "error", err)
		return nil, err
	}
	l.c.Log.Info("a guest has become a peer", "remote", secure.RemoteAddr(), "peer", guest.Name)
	if l.c.Joined != nil {
		l.c.Joined(guest)
	}
	return nil, secure.Close()
}

package link

import (
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/identity"
	"mft.dev/mft/protocol"
)

// Pairing is one question and one answer over a TLS connection of its own.
// The guest knows the inviter's key from the invitation and accepts no other;
// the inviter knows nobody, so it accepts any key and looks at the proof.
// Each proof covers the keying material of this very connection.

// joinTLS is the inviter's configuration. Whose key it is that the guest
// shows follows from the proof.
func joinTLS(own *tls.Certificate) *tls.Config {
	return tlsConfig(protoJoin, own, func(s tls.ConnectionState) error { return verifyProto(s, protoJoin) })
}

// invitedTLS is the guest's configuration.
func invitedTLS(own *tls.Certificate, invite identity.Invite) *tls.Config {
	return tlsConfig(protoJoin, own, func(s tls.ConnectionState) error {
		if err := verifyProto(s, protoJoin); err != nil {
			return err
		}
		leaf := s.PeerCertificates[0]
		pin, err := identity.PinOf(leaf.PublicKey)
		if err != nil || pin != invite.Pin || leaf.Subject.CommonName != string(invite.Name) {
			return mft.Fail(mft.CodeUntrusted, "join", string(invite.Name),
				errors.New("another agent answers than the one that made the invitation"))
		}
		return nil
	})
}

// signingKey returns the key of a certificate, nil when it is of another kind
// than agents have.
func signingKey(c *x509.Certificate) ed25519.PublicKey {
	key, _ := c.PublicKey.(ed25519.PublicKey)
	return key
}

// exporter returns the keying material that ties proofs to the connection.
func exporter(s tls.ConnectionState) (out [32]byte, err error) {
	material, err := s.ExportKeyingMaterial(identity.ExporterLabel, nil, len(out))
	copy(out[:], material)
	return out, err
}

// Join redeems an invitation: it dials the inviter, proves knowledge of the
// secret, and adds the inviter to the trusted peers. Serve need not run.
// Errors: mft.CodeUnreachable, mft.CodeUntrusted when another key answers
// than the invitation names or the name is pinned with another key,
// mft.CodeInvite when the inviter refuses, mft.CodeTimeout or
// mft.CodeDisconnected when it does not answer, and the code of the file
// system.
func (l *Link) Join(ctx context.Context, invite identity.Invite) (identity.Peer, error) {
	const op = "join"
	subject := string(invite.Name) + " at " + invite.Address
	if invite.Name == l.c.Name {
		return identity.Peer{}, mft.Fail(mft.CodeInvite, op, subject, errors.New("this agent has the inviter's name"))
	}
	ctx, cancel := context.WithTimeout(ctx, dialWithin)
	defer cancel()
	conn, err := l.dial(ctx, invite.Address)
	if err != nil {
		return identity.Peer{}, mft.Fail(mft.CodeUnreachable, op, subject, err)
	}
	defer conn.Close() // its work is done or has failed
	secure := tls.Client(conn, invitedTLS(l.c.Keys.Certificate(), invite))
	if err := secure.HandshakeContext(ctx); err != nil {
		return identity.Peer{}, joinFailure(subject, err)
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	peer, err := l.redeem(secure, invite)
	if err != nil {
		return identity.Peer{}, joinFailure(subject, err)
	}
	if err := l.c.Trust.Add(peer); err != nil {
		return identity.Peer{}, err
	}
	known, _ := l.c.Trust.Peer(peer.Name)
	return known, nil
}

// joinFailure gives an error of Join its code. An inviter that has no
// invitation left does not even speak the protocol.
func joinFailure(subject string, err error) error {
	if alerted(err) {
		return mft.Fail(mft.CodeInvite, "join", subject, fmt.Errorf("the inviter has no invitation waiting: %w", err))
	}
	return broken("join", subject, err)
}

// redeem is the guest's side of the exchange; greetGuest is the inviter's.
func (l *Link) redeem(secure *tls.Conn, invite identity.Invite) (identity.Peer, error) {
	state := secure.ConnectionState()
	pairing := identity.Pairing{
		Inviter: identity.Party{Name: invite.Name, Pin: invite.Pin, Address: invite.Address},
		Guest:   identity.Party{Name: l.c.Name, Pin: l.c.Keys.Pin(), Address: l.c.Address, Sealing: l.c.Keys.Sealing()},
	}
	var err error
	if pairing.Exporter, err = exporter(state); err != nil {
		return identity.Peer{}, err
	}
	request := identity.JoinRequest{
		ID: invite.Secret.ID(), Name: l.c.Name, Address: l.c.Address,
		Sealing: pairing.Guest.Sealing, Proof: invite.Secret.GuestProof(pairing),
	}
	if err := protocol.WriteControl(secure, protocol.ControlJoin, request.Append(nil)); err != nil {
		return identity.Peer{}, err
	}
	answer, err := readAnswer(secure)
	if err != nil {
		return identity.Peer{}, err
	}
	if !answer.Code.OK() {
		return identity.Peer{}, mft.Fail(answer.Code, "join", string(invite.Name), fmt.Errorf("the inviter refused: %s", answer.Detail))
	}
	pairing.Inviter.Sealing = answer.Sealing
	if !invite.Secret.InviterProof(pairing).Equal(answer.Proof) {
		return identity.Peer{}, mft.Fail(mft.CodeUntrusted, "join", string(invite.Name), errors.New("the inviter does not know the secret"))
	}
	if _, err := identity.ParseSealing(answer.Sealing, invite.Name, signingKey(state.PeerCertificates[0])); err != nil {
		return identity.Peer{}, err
	}
	now := l.c.Now().UTC()
	return identity.Peer{
		Name: invite.Name, Address: invite.Address, Sealing: answer.Sealing, Added: now,
		Pins: []identity.PinnedKey{{
			Pin: invite.Pin, Since: now, Source: identity.SourceInvite, Key: signingKey(state.PeerCertificates[0]),
		}},
	}, nil
}

func readAnswer(conn net.Conn) (identity.JoinAnswer, error) {
	kind, payload, err := protocol.ReadControl(conn)
	if err != nil {
		return identity.JoinAnswer{}, err
	}
	if kind != protocol.ControlJoined {
		return identity.JoinAnswer{}, mft.Fail(mft.CodeProtocol, "join", "", fmt.Errorf("a frame of kind %v is no answer", kind))
	}
	return identity.ParseJoinAnswer(payload)
}

// greetGuest is the inviter's side of the exchange.
func (l *Link) greetGuest(ctx context.Context, secure *tls.Conn, r *reception) (func(context.Context), error) {
	stop := context.AfterFunc(ctx, func() { _ = secure.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	kind, payload, err := protocol.ReadControl(secure)
	if err != nil {
		return nil, err
	}
	if kind != protocol.ControlJoin {
		return nil, mft.Fail(mft.CodeProtocol, "greet guest", "", fmt.Errorf("a frame of kind %v is no request", kind))
	}
	request, err := identity.ParseJoinRequest(payload)
	if err != nil {
		return nil, err
	}
	answer, peer, err := l.admitGuest(secure, request, r)
	if err != nil {
		l.c.Log.Warn("a guest was refused", "remote", secure.RemoteAddr(), "name", request.Name, "error", err)
		reason := mft.ReasonOf(err)
		answer = identity.JoinAnswer{Code: reason.Code, Detail: reason.Detail}
	}
	if e := protocol.WriteControl(secure, protocol.ControlJoined, answer.Append(nil)); e != nil && err == nil {
		// The peer is known here all the same: it can be invited again.
		l.c.Log.Warn("a guest was not told that it is welcome", "name", request.Name, "error", e)
	}
	if err == nil && l.c.Joined != nil {
		l.c.Joined(peer)
	}
	// The guest closes; this end waits for that no longer than for the rest.
	_, _ = secure.Read(make([]byte, 1))
	return nil, errors.Join(err, secure.Close())
}

// admitGuest checks the request of a guest and makes it a peer.
func (l *Link) admitGuest(secure *tls.Conn, request identity.JoinRequest, r *reception) (identity.JoinAnswer, identity.Peer, error) {
	fail := func(code mft.Code, why string) (identity.JoinAnswer, identity.Peer, error) {
		return identity.JoinAnswer{}, identity.Peer{}, mft.Fail(code, "join as", string(request.Name), errors.New(why))
	}
	state := secure.ConnectionState()
	leaf := state.PeerCertificates[0]
	pin, err := identity.PinOf(leaf.PublicKey)
	if err != nil || leaf.Subject.CommonName != string(request.Name) {
		return fail(mft.CodeProtocol, "the certificate is for another name")
	}
	if _, err := identity.ParseSealing(request.Sealing, request.Name, signingKey(leaf)); err != nil {
		return identity.JoinAnswer{}, identity.Peer{}, err
	}
	own, err := x509.ParseCertificate(r.own.Certificate[0])
	if err != nil {
		return fail(mft.CodeInternal, "this agent's certificate cannot be read")
	}
	pairing := identity.Pairing{
		Inviter: identity.Party{Name: l.c.Name, Sealing: l.c.Keys.Sealing()},
		Guest:   identity.Party{Name: request.Name, Pin: pin, Address: request.Address, Sealing: request.Sealing},
	}
	if pairing.Inviter.Pin, err = identity.PinOf(own.PublicKey); err != nil {
		return fail(mft.CodeInternal, "this agent's key cannot be read")
	}
	if pairing.Exporter, err = exporter(state); err != nil {
		return fail(mft.CodeInternal, "the connection has no keying material")
	}
	proof, peer, err := l.c.Invites.Redeem(request.ID, request.Proof, pairing, l.c.Now())
	if err != nil {
		return identity.JoinAnswer{}, identity.Peer{}, err
	}
	if peer.Name == l.c.Name {
		return fail(mft.CodeBadName, "the inviter has that name itself")
	}
	peer.Address = reachable(peer.Address, secure.RemoteAddr())
	peer.Pins[0].Key = signingKey(leaf)
	if err := l.c.Trust.Add(peer); err != nil {
		return identity.JoinAnswer{}, identity.Peer{}, err
	}
	known, _ := l.c.Trust.Peer(peer.Name)
	return identity.JoinAnswer{Code: mft.CodeOK, Sealing: pairing.Inviter.Sealing, Proof: proof}, known, nil
}

// reachable completes an address that names no host, or every address of one,
// by the address that the guest was seen to have.
func reachable(address string, remote net.Addr) string {
	host, port, err := net.SplitHostPort(address)
	if err != nil || host != "" && !net.ParseIP(host).IsUnspecified() {
		return address
	}
	seen, _, err := net.SplitHostPort(remote.String())
	if err != nil {
		return ""
	}
	return net.JoinHostPort(seen, port)
}

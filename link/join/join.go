// Package join is how two agents pair: one question and one answer over a TLS
// connection of their own, by which each comes to pin the other's key.
//
// The guest knows the inviter's key from the invitation and accepts no other
// ([Host.Redeem]); the inviter knows nobody, so it accepts any key and looks
// at the proof ([Host.Admit]). Each proof covers the keying material of this
// very connection. The package does not dial or listen, and makes no
// invitations.
package join

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
	"mft.dev/mft/identity/sealing"
	"mft.dev/mft/link/transport"
	"mft.dev/mft/protocol"
)

// A Host is the agent at this end. All fields but Invites must be set; Invites
// only at the inviter.
type Host struct {
	Name    mft.AgentName
	Keys    *identity.Keys
	Trust   *identity.Trust
	Invites *identity.Invites
	// Address is where the agent may be dialled, see identity.Party.
	Address string
	Now     func() time.Time
}

// Invited returns the terms on which a guest connects to the inviter, who accepts every key:
// whose it is follows from the proof. The error has code mft.CodeInvite.
func (h Host) Invited(invite identity.Invite) (transport.Terms, error) {
	if invite.Name == h.Name {
		return transport.Terms{}, mft.Fail(mft.CodeInvite, "join", subjectOf(invite), errors.New("this agent has the inviter's name"))
	}
	return transport.Terms{Proto: transport.Join, Own: h.Keys.Certificate(), Verify: func(chain []*x509.Certificate) error {
		pin, err := identity.PinOf(chain[0].PublicKey)
		if err != nil || pin != invite.Pin || chain[0].Subject.CommonName != string(invite.Name) {
			return mft.Fail(mft.CodeUntrusted, "join", string(invite.Name),
				errors.New("another agent answers than the one that made the invitation"))
		}
		return nil
	}}, nil
}

func subjectOf(invite identity.Invite) string { return string(invite.Name) + " at " + invite.Address }

// signingKey returns the key of a certificate, nil when it is of another kind
// than agents have.
func signingKey(c *x509.Certificate) ed25519.PublicKey {
	key, _ := c.PublicKey.(ed25519.PublicKey)
	return key
}

// Redeem redeems an invitation over conn, a connection to the inviter on the terms of Invited: it proves
// knowledge of the secret and adds the inviter to the trusted peers, at once with the
// directories of allowed, of which nothing else counts: the inviter may use them
// before this returns. It leaves it to the caller to close conn. Errors: mft.CodeUntrusted when another key
// answers than the invitation names or the name is pinned with another key,
// mft.CodeInvite when the inviter refuses, mft.CodeTimeout or
// mft.CodeDisconnected when it does not answer, and the code of the file
// system.
func (h Host) Redeem(ctx context.Context, conn *transport.Secure, invite identity.Invite, allowed identity.Peer) (identity.Peer, error) {
	defer transport.Interruptible(ctx, conn)()
	peer, err := h.ask(conn, invite)
	if err != nil {
		return identity.Peer{}, Failure(invite, err)
	}
	peer.FilesInto, peer.RequestsRoot, peer.AllowDelete = allowed.FilesInto, allowed.RequestsRoot, allowed.AllowDelete
	if err := h.Trust.Add(peer); err != nil {
		return identity.Peer{}, err
	}
	known, _ := h.Trust.Peer(peer.Name)
	return known, nil
}

// Failure gives an error of connecting, or of Redeem, its code. An inviter that has no
// invitation left does not even speak the protocol.
func Failure(invite identity.Invite, err error) error {
	if transport.Alerted(err) {
		return mft.Fail(mft.CodeInvite, "join", subjectOf(invite), errors.New("the inviter has no invitation waiting"))
	}
	return transport.Failure("join", subjectOf(invite), err)
}

// ask is the guest's side of the exchange; answer is the inviter's.
func (h Host) ask(secure *transport.Secure, invite identity.Invite) (identity.Peer, error) {
	pairing := identity.Pairing{
		Inviter:  identity.Party{Name: invite.Name, Pin: invite.Pin, Address: invite.Address},
		Guest:    identity.Party{Name: h.Name, Pin: h.Keys.Pin(), Address: h.Address, Sealing: h.Keys.Sealing()},
		Exporter: secure.Exporter,
	}
	request := Request{
		ID: invite.Secret.ID(), Name: h.Name, Address: h.Address,
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
	if _, err := sealing.Parse(answer.Sealing, invite.Name, signingKey(secure.Peer[0])); err != nil {
		return identity.Peer{}, err
	}
	now := h.Now().UTC()
	return identity.Peer{
		Name: invite.Name, Address: invite.Address, Sealing: answer.Sealing, Added: now,
		Pins: []identity.PinnedKey{{
			Pin: invite.Pin, Since: now, Source: identity.SourceInvite, Key: signingKey(secure.Peer[0]),
		}},
	}, nil
}

func readAnswer(conn net.Conn) (Answer, error) {
	kind, payload, err := protocol.ReadControl(conn)
	if err != nil {
		return Answer{}, err
	}
	if kind != protocol.ControlJoined {
		return Answer{}, mft.Fail(mft.CodeProtocol, "join", "", fmt.Errorf("a frame of kind %v is no answer", kind))
	}
	return ParseAnswer(payload)
}

// Admit is the inviter's side over a connection on which own was shown. It
// adds a guest whose proof is right to the trusted peers and returns it as
// that, or says why not; the guest is told the same. The caller closes the
// connection.
func (h Host) Admit(ctx context.Context, secure *transport.Secure, own *tls.Certificate) (identity.Peer, error) {
	defer transport.Interruptible(ctx, secure)()
	kind, payload, err := protocol.ReadControl(secure)
	if err != nil {
		return identity.Peer{}, err
	}
	if kind != protocol.ControlJoin {
		return identity.Peer{}, mft.Fail(mft.CodeProtocol, "greet guest", "", fmt.Errorf("a frame of kind %v is no request", kind))
	}
	request, err := ParseRequest(payload)
	if err != nil {
		return identity.Peer{}, err
	}
	answer, peer, err := h.answer(secure, request, own)
	if err != nil {
		reason := mft.ReasonOf(err)
		answer = Answer{Code: reason.Code, Detail: reason.Detail}
	}
	// If this does not arrive the guest is known here all the same: it can be
	// invited again.
	if protocol.WriteControl(secure, protocol.ControlJoined, answer.Append(nil)) == nil {
		// The guest closes first, so that nothing it still sends makes the
		// network throw the answer away.
		_, _ = secure.Read(make([]byte, 1))
	}
	return peer, err
}

// answer checks the request of a guest and makes it a peer.
func (h Host) answer(secure *transport.Secure, request Request, certificate *tls.Certificate) (Answer, identity.Peer, error) {
	fail := func(code mft.Code, why string) (Answer, identity.Peer, error) {
		return Answer{}, identity.Peer{}, mft.Fail(code, "join as", string(request.Name), errors.New(why))
	}
	leaf := secure.Peer[0]
	pin, err := identity.PinOf(leaf.PublicKey)
	if err != nil || leaf.Subject.CommonName != string(request.Name) {
		return fail(mft.CodeProtocol, "the certificate is for another name")
	}
	if _, err := sealing.Parse(request.Sealing, request.Name, signingKey(leaf)); err != nil {
		return Answer{}, identity.Peer{}, err
	}
	own, err := x509.ParseCertificate(certificate.Certificate[0])
	if err != nil {
		return fail(mft.CodeInternal, "this agent's certificate cannot be read")
	}
	pairing := identity.Pairing{
		Inviter:  identity.Party{Name: h.Name, Sealing: h.Keys.Sealing()},
		Guest:    identity.Party{Name: request.Name, Pin: pin, Address: request.Address, Sealing: request.Sealing},
		Exporter: secure.Exporter,
	}
	if pairing.Inviter.Pin, err = identity.PinOf(own.PublicKey); err != nil {
		return fail(mft.CodeInternal, "this agent's key cannot be read")
	}
	proof, peer, err := h.Invites.Redeem(request.ID, request.Proof, pairing, h.Now())
	if err != nil {
		return Answer{}, identity.Peer{}, err
	}
	if peer.Name == h.Name {
		return fail(mft.CodeBadName, "the inviter has that name itself")
	}
	peer.Address = reachable(peer.Address, secure.RemoteAddr())
	peer.Pins[0].Key = signingKey(leaf)
	if err := h.Trust.Add(peer); err != nil {
		return Answer{}, identity.Peer{}, err
	}
	known, _ := h.Trust.Peer(peer.Name)
	return Answer{Code: mft.CodeOK, Sealing: pairing.Inviter.Sealing, Proof: proof}, known, nil
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

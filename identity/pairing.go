package identity

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"

	"mft.dev/mft"
)

// A Party is one of two agents that pair, as it says and shows it is.
type Party struct {
	Name mft.AgentName
	Pin  Pin
	// Address is where it says it can be dialled. The guest's may lack the
	// host, which the inviter then takes from the connection, or be empty.
	Address string
	// Sealing is its statement of its sealing key, see package sealing.
	Sealing []byte
}

// A Pairing is everything that two agents must agree on in order to pair.
// Proofs cover all of it, so a proof that was made for one connection, key,
// name or address is good for no other.
type Pairing struct {
	// Exporter is the keying material of label ExporterLabel (RFC 8446, 7.5)
	// of the TLS connection that the agents pair on. Two connections never
	// have the same: a man in the middle has one with each.
	Exporter [32]byte
	Inviter  Party
	Guest    Party
}

// ExporterLabel is the label for Pairing.Exporter, used without a context.
const ExporterLabel = "EXPORTER-mft-join/1"

// A Proof shows knowledge of an invitation's secret to the other party of a
// pairing.
type Proof [32]byte

// An InviteID says which invitation a guest redeems without telling its
// secret.
type InviteID [8]byte

// ID returns the id of the invitation with this secret.
func (s Secret) ID() (id InviteID) {
	mac := hmac.New(sha256.New, s[:])
	mac.Write([]byte("mft invite id\x00"))
	copy(id[:], mac.Sum(nil))
	return id
}

// GuestProof returns what the guest shows first. It does not cover the
// inviter's sealing key, which the guest does not know yet.
func (s Secret) GuestProof(p Pairing) Proof {
	p.Inviter.Sealing = nil
	return s.proof("mft join guest\x00", p)
}

// InviterProof returns what the inviter answers with.
func (s Secret) InviterProof(p Pairing) Proof { return s.proof("mft join inviter\x00", p) }

func (s Secret) proof(label string, p Pairing) (out Proof) {
	mac := hmac.New(sha256.New, s[:])
	mac.Write([]byte(label))
	mac.Write(p.Exporter[:])
	for _, party := range []Party{p.Inviter, p.Guest} {
		for _, field := range []string{string(party.Name), string(party.Pin), party.Address, string(party.Sealing)} {
			mac.Write(binary.BigEndian.AppendUint32(nil, uint32(len(field))))
			mac.Write([]byte(field))
		}
	}
	mac.Sum(out[:0])
	return out
}

// Equal compares two proofs in constant time.
func (p Proof) Equal(q Proof) bool { return hmac.Equal(p[:], q[:]) }

package identity

import (
	"crypto/ed25519"
	"time"

	"mft.dev/mft"
)

// PinSource is why a key is trusted.
type PinSource string

// The sources of trust.
const (
	SourceConfig   PinSource = "config"   // the operator wrote it into the configuration
	SourceInvite   PinSource = "invite"   // an invitation was redeemed
	SourceRotation PinSource = "rotation" // a pinned key vouched for it
)

// A PinnedKey is one key of a peer.
type PinnedKey struct {
	Pin   Pin       `json:"pin"`
	Since time.Time `json:"since,omitzero"`
	// Until is when the key stops being trusted; zero means no end. A key
	// with an end was replaced and vouches for no other key.
	Until  time.Time `json:"until,omitzero"`
	Source PinSource `json:"source"`
	// By is the pin of the key that vouched for this one, for
	// SourceRotation.
	By Pin `json:"by,omitempty"`
	// Key is the public key, empty until the peer has shown it.
	Key ed25519.PublicKey `json:"key,omitempty"`
}

// A Peer is another agent and what is known of it here.
type Peer struct {
	Name mft.AgentName `json:"name"`
	// Address is HOST:PORT to dial, empty when the peer dials us.
	Address string      `json:"address,omitempty"`
	Pins    []PinnedKey `json:"pins,omitempty"`
	// Sealing is the peer's sealing key as it stated it, see SealingKey;
	// empty when unknown.
	Sealing []byte    `json:"sealing,omitempty"`
	Added   time.Time `json:"added,omitzero"`
	// FilesInto are the directories of this host that the peer may send
	// files into, RequestsRoot those that it may ask for files from, as
	// granted by an invitation or Trust.Allow. Absolute.
	FilesInto    []string `json:"files_into,omitempty"`
	RequestsRoot []string `json:"requests_root,omitempty"`
	// Configured says that the peer stands in the configuration.
	Configured bool `json:"configured,omitempty"`
}

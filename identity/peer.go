package identity

import (
	"crypto/ed25519"
	"errors"
	"path/filepath"
	"slices"
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
	// Sealing is the peer's sealing key as it stated it, see package sealing;
	// empty when unknown.
	Sealing []byte    `json:"sealing,omitempty"`
	Added   time.Time `json:"added,omitzero"`
	// FilesInto are the directories of this host that the peer may send
	// files into, RequestsRoot those that it may ask for files from, as
	// granted by an invitation or Trust.Allow. Absolute.
	FilesInto    []string `json:"files_into,omitempty"`
	RequestsRoot []string `json:"requests_root,omitempty"`
	// AllowDelete lets the peer remove, below FilesInto, what is not in the
	// source of a mirror.
	AllowDelete bool `json:"allow_delete,omitempty"`
	// Configured says that the peer stands in the configuration.
	Configured bool `json:"configured,omitempty"`
}

// maxPins bounds the keys that are remembered for a peer: without a bound a
// peer that rotates for ever would fill the file.
const maxPins = 16

func (p Peer) clone() Peer {
	p.Pins = slices.Clone(p.Pins)
	p.Sealing = slices.Clone(p.Sealing)
	p.FilesInto = slices.Clone(p.FilesInto)
	p.RequestsRoot = slices.Clone(p.RequestsRoot)
	return p
}

// check reports what is wrong with a peer that is to become known.
func (p Peer) check() error {
	if _, err := mft.ParseAgentName(string(p.Name)); err != nil {
		return err
	}
	if p.Address != "" {
		if err := checkAddress(p.Address, true); err != nil {
			return err
		}
	}
	if len(p.Pins) == 0 || len(p.Pins) > maxPins {
		return errors.New("a peer has 1 to 16 pins")
	}
	for _, k := range p.Pins {
		if _, err := ParsePin(string(k.Pin)); err != nil {
			return err
		}
	}
	return checkGrants(p.FilesInto, p.RequestsRoot)
}

func checkGrants(lists ...[]string) error {
	for _, dir := range slices.Concat(lists...) {
		if !filepath.IsAbs(dir) || filepath.Clean(dir) != dir {
			return mft.Fail(mft.CodeBadPath, "grant directory", dir,
				errors.New("a directory that is granted is absolute, without . or .. and without a slash at its end"))
		}
	}
	return nil
}

// find returns the pinned key with this pin, or nil.
func (p Peer) find(pin Pin) *PinnedKey {
	for i := range p.Pins {
		if p.Pins[i].Pin == pin {
			return &p.Pins[i]
		}
	}
	return nil
}

func (p Peer) sharesPin(q Peer) bool {
	return slices.ContainsFunc(q.Pins, func(k PinnedKey) bool { return p.find(k.Pin) != nil })
}

// pinsCurrent reports whether a pin of q is pinned in p and was not replaced.
func (p Peer) pinsCurrent(q Peer) bool {
	return slices.ContainsFunc(q.Pins, func(k PinnedKey) bool {
		mine := p.find(k.Pin)
		return mine != nil && mine.Until.IsZero()
	})
}

// renewed returns the peer p after it was added again as q: the pins stay.
func (p Peer) renewed(q Peer) Peer {
	if q.Address != "" {
		p.Address = q.Address
	}
	if len(q.Sealing) != 0 {
		p.Sealing = slices.Clone(q.Sealing)
	}
	if len(q.FilesInto)+len(q.RequestsRoot) != 0 {
		p.FilesInto, p.RequestsRoot = slices.Clone(q.FilesInto), slices.Clone(q.RequestsRoot)
		p.AllowDelete = q.AllowDelete
	}
	if p.Added.IsZero() {
		p.Added = q.Added
	}
	return p
}

package identity

import (
	"crypto/x509"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/protocol"
)

// Trust is the set of peers and their pinned keys: those of the
// configuration, and over them what pairing, rotation and the operator added.
// Every change is on stable storage when the call that made it returns. Trust
// is safe for concurrent use.
type Trust struct{}

// OpenTrust reads the peers file at path, which need not exist, and lays it
// over the peers of the configuration. Of a configured peer the pins in the
// configuration have the last word: a key from the file counts only if one of
// them vouched for it.
//
// Errors are *mft.Error values: mft.CodeConfig when a configured peer is not
// usable or others can write the file, mft.CodeCorrupt when the file cannot
// be understood, and else the code of the file system.
func OpenTrust(path string, configured []Peer) (*Trust, error) { return &Trust{}, nil }

// Peer returns what is known of the agent called name.
func (t *Trust) Peer(name mft.AgentName) (Peer, bool) { return Peer{}, false }

// List returns every peer, by name.
func (t *Trust) List() []Peer { return nil }

// Add makes a peer known, as the operator's decision: keys that were removed
// before are trusted again if p pins them. A peer that is known already must
// be added with a key that is pinned for it; then address and sealing key are
// renewed and grants added. Errors: mft.CodeUntrusted when the name is known
// with other keys or the key under another name, mft.CodeConfig when p is not
// well formed.
func (t *Trust) Add(p Peer) error { return nil }

// Remove forgets the peer called name and remembers its keys as removed, so
// that no chain brings them back. Errors: mft.CodeUnknownPeer, and
// mft.CodeConfig for a peer that stands in the configuration.
func (t *Trust) Remove(name mft.AgentName, now time.Time) error { return nil }

// Allow replaces what pairing or an earlier Allow granted the peer called
// name: into which directories of this host it may send files, and from which
// it may ask for files. Directories are absolute. Grants of the configuration
// are not touched. Errors: mft.CodeUnknownPeer, mft.CodeBadPath.
func (t *Trust) Allow(name mft.AgentName, filesInto, requestsRoot []string) error { return nil }

// VerifyChain checks the certificates that a peer showed, its own first, and
// returns the peer's name. The key of the first must be pinned for the name
// in it, or a key that is pinned and was not replaced must vouch for it
// through the chain; then the new key is pinned durably and the old one ends
// after DefaultOverlap. Errors: mft.CodeUnknownPeer, mft.CodeUntrusted.
func (t *Trust) VerifyChain(chain []*x509.Certificate, now time.Time) (mft.AgentName, error) {
	return "", nil
}

// Verify checks that e was signed by a key that is pinned for e.Sender and
// valid at now. It does not look at the recipient or the times of e. Errors:
// mft.CodeUnknownPeer, mft.CodeBadSigned.
func (t *Trust) Verify(e *protocol.Envelope, now time.Time) error { return nil }

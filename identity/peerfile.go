package identity

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"mft.dev/mft"
	"mft.dev/mft/identity/statefile"
)

const peersFileVersion = 1

// peersFile is the form of the peers file.
type peersFile struct {
	Version int    `json:"version"`
	Peers   []Peer `json:"peers"`
	Removed []Pin  `json:"removed,omitempty"`
}

// keptPeers is what the peers file holds. An entry with Configured set only
// completes a peer of the configuration.
type keptPeers struct {
	peers   map[mft.AgentName]Peer
	removed map[Pin]bool
}

func (k keptPeers) clone() keptPeers {
	return keptPeers{peers: maps.Clone(k.peers), removed: maps.Clone(k.removed)}
}

func readPeers(path string) (keptPeers, error) {
	kept := keptPeers{peers: map[mft.AgentName]Peer{}, removed: map[Pin]bool{}}
	var file peersFile
	err := statefile.Read("read peers", path, statefile.Owned, &file)
	if mft.CodeOf(err) == mft.CodeNotFound {
		return kept, nil
	}
	if err != nil {
		return kept, err
	}
	corrupt := func(err error) (keptPeers, error) {
		return kept, mft.Fail(mft.CodeCorrupt, "read peers", path, err)
	}
	if file.Version != peersFileVersion {
		return corrupt(fmt.Errorf("the file has version %d, this program knows %d", file.Version, peersFileVersion))
	}
	for _, p := range file.Peers {
		if _, twice := kept.peers[p.Name]; twice {
			return corrupt(fmt.Errorf("peer %q is there twice", p.Name))
		}
		if err := p.checkKept(); err != nil {
			return corrupt(fmt.Errorf("peer %q: %w", p.Name, err))
		}
		kept.peers[p.Name] = p
	}
	for _, pin := range file.Removed {
		if _, err := ParsePin(string(pin)); err != nil {
			return corrupt(err)
		}
		kept.removed[pin] = true
	}
	return kept, nil
}

// checkKept reports what is wrong with an entry of the file. An entry that
// completes a configured peer may lack pins.
func (p Peer) checkKept() error {
	for _, k := range p.Pins {
		if len(k.Key) == 0 {
			continue
		}
		if pin, err := PinOf(k.Key); err != nil || pin != k.Pin {
			return errors.New("a public key does not fit its pin")
		}
	}
	if p.Configured && len(p.Pins) == 0 {
		p.Pins = []PinnedKey{{Pin: placeholderPin}}
	}
	return p.check()
}

// placeholderPin is a well-formed pin that no key has.
const placeholderPin = pinPrefix + "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

func writePeers(path string, kept keptPeers) error {
	file := peersFile{Version: peersFileVersion, Peers: []Peer{}}
	for _, name := range slices.Sorted(maps.Keys(kept.peers)) {
		file.Peers = append(file.Peers, kept.peers[name])
	}
	file.Removed = slices.Sorted(maps.Keys(kept.removed))
	return statefile.Write("write peers", path, file)
}

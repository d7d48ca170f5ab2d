package order

import (
	"fmt"

	"mft.dev/mft"
	"mft.dev/mft/protocol"
)

// A Speaker is a conversation with a peer that speaks a version of the protocol.
type Speaker interface {
	Speaks() uint8
	Close()
}

// Understood refuses to do a transfer with a peer that speaks a version of the protocol which
// does not know what it needs: a canary would stay there, and what is to be preserved would
// be taken for nonsense. It closes the conversation then. The error has mft.CodeVersion.
func Understood(t mft.Transfer, conv Speaker) error {
	need, what := uint8(0), ""
	switch {
	case t.Overwrite == mft.OverwriteCanary:
		need, what = protocol.VersionCanary, "canaries need"
	case t.Preserve != 0:
		need, what = protocol.VersionXAttrs, "to preserve "+t.Preserve.String()+" needs"
	}
	speaks := conv.Speaks()
	if speaks >= need {
		return nil
	}
	conv.Close()
	return mft.Fail(mft.CodeVersion, "transfer files with", string(t.Peer), fmt.Errorf(
		"it speaks version %d of the protocol, and %s version %d: update it", speaks, what, need))
}

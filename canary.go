package mft

import (
	"encoding/hex"
	"path"
)

// CanaryName is the name that the canary of a transfer has at its destination
// for the moment that it is there. Whatever looks for files leaves alone what has such a
// name: .mft-*.part.
func CanaryName(id TransferID) string { return ".mft-canary-" + hex.EncodeToString(id[:]) + ".part" }

// IsCanary reports whether a transfer that goes to this destination sends a canary. A
// receiver admits such an offer with the policy OverwriteCanary only, and no other
// offer with that.
func IsCanary(destination string, id TransferID) bool {
	return path.Base(destination) == CanaryName(id)
}

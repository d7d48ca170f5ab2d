// Package farend is about the markers of a channel on the host at its destination.
//
// An [Asker] is at the end that conducts channels: it knows what the markers of other
// hosts say, and has them written. A [Keeper] is at the other: it looks and writes, and
// holds what comes in while a block marker is there. The two mirror each other.
//
// Looks of all channels at one peer go together, in one message where they fit, on the link
// that is there; the peer answers when something has changed, or after half a minute.
// What is not in the receiver's own file, at this path and for this purpose, is
// neither looked at nor written.
package farend

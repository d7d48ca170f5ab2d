// Package identity says who an agent is and whom it believes: its own keys,
// the pinned keys of its peers, and the proof by which two agents that share
// an invitation come to pin each other.
//
// An agent loads its keys with [LoadOrCreate] and its peers with [OpenTrust].
// A peer is known by its name together with a [Pin], the hash of its signing
// key; [Trust.VerifyChain] checks the certificates of a connection against
// the pins, [Trust.Verify] a signed envelope. [Invites] makes and redeems the
// one-time invitations of `mft invite` and `mft join`.
//
// The package refuses to take anybody's word for a key: no certificate
// authority, no key found in storage, no name in a handshake makes a key
// trusted. Only the configuration, a redeemed invitation, or a key that is
// itself pinned and current does. It never hands out a private key, and opens
// no connection: the conversation of pairing is held by package link.
package identity

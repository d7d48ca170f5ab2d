// Package mft is the vocabulary of managed file transfer: the nouns that
// every other package shares, as small named types and plain values.
//
// Read it as the first page of the system:
//
//   - An [AgentName] names a daemon on one host. Agents talk to each other as
//     peers; each trusts the other's pinned key, never a third party's word.
//   - A [Channel] says which files move from where to where, and when. A
//     command (mft copy, mft req) is the same thing for one time only.
//   - Whatever moves becomes a [Transfer] with one [TransferID], one state
//     machine ([State]) and one trail of [Event] values on every host that
//     it touches.
//   - A transfer consists of [Item] values: files, directories, symlinks.
//   - The sender makes an [Offer]; the receiver answers with a [Decision]
//     before it touches a file, and with a [Receipt] once everything is on
//     stable storage under its final name.
//   - What went wrong is an [Error] with a [Code] from a closed list. Codes
//     survive the wire and are explained in docs/operations.md.
//
// The package imports only the standard library. It does no I/O, starts no
// goroutine and never looks at a clock; time comes in as a value.
package mft

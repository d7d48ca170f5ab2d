// Package interop holds the tests that look at mft through the eyes of other
// programs: rsync compares what arrived with what was sent, strace sees in
// what order a file is made durable.
//
// install-peers.sh installs these programs. A test whose program is missing is
// skipped, and says so; with MFT_PEERS=required it fails instead. The package
// exports nothing.
package interop

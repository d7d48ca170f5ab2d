// Package e2e holds the tests of the whole system: they build the mft binary,
// run agents as separate processes and talk to them only as a person or a
// script would, by commands and by files.
//
// What is true is decided by two ledgers that know nothing of mft: a producer
// writes down the SHA-256 of every file that it makes, and a consumer writes
// down every file that appears under a final name, at the moment it appears.
// Lost, duplicated, corrupt and partial files are differences between the two.
//
// The tests break things on purpose: they kill agents at random moments and
// at every single system call that changes a file, make each of those calls
// fail, cut connections and fill disks. With MFT_PEERS=required they do so at
// the length that a change has to survive before it lands; otherwise they take
// a sample that fits into an ordinary `go test ./...`.
//
// The package exports nothing. The tests run on Linux only; what they need of
// a process or a file system is not to be had elsewhere.
package e2e

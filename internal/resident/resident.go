// Package resident tells how much memory this process holds.
//
// The package refuses to guess: where the system does not say, [Bytes] is what
// the Go runtime has taken from it.
package resident

// Bytes returns the resident memory of the process in bytes, 0 where unknown.
func Bytes() int64 { return read() }

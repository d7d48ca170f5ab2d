package filesys

import "math"

// Space is what is left of a file system for a process without privileges.
// Quotas do not show in it.
type Space struct {
	Bytes  int64
	Inodes int64 // -1 when unknown or without a limit
}

// product returns a*b, or the largest number there is.
func product(a, b uint64) int64 {
	if b != 0 && a > math.MaxInt64/b {
		return math.MaxInt64
	}
	return int64(a * b)
}

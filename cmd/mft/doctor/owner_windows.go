package doctor

import "io/fs"

// writable knows nothing: only making a file would tell.
func writable(string) error { return nil }

// sameOwner knows nothing: an owner does not say who may do what.
func sameOwner(fs.FileInfo, fs.FileInfo) bool { return true }

//go:build !linux

package filesys

import "os"

// Preallocate does nothing here.
func Preallocate(*os.File, int64) error { return nil }

// StartWriteback does nothing here.
func StartWriteback(*os.File, int64, int64) {}

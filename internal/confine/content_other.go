//go:build !linux || portable

package confine

import "os"

func preallocate(*os.File, int64) error { return nil }

func startWriteback(*os.File, int64, int64) {}

//go:build !unix

package statefile

import "io/fs"

func checkMode(fs.FileInfo, fs.FileMode, string, string) error { return nil }

//go:build !linux || portable

package confine

import (
	"os"
	"testing"
)

// portableRoot says that package os confines the paths.
const portableRoot = true

// eachWay runs a test once for every way in which paths are resolved here.
func eachWay(t *testing.T, f func(t *testing.T, open func(path string) (*Root, error))) {
	f(t, Open)
}

// exchange swaps two names.
func exchange(a, b string) error {
	aside := a + ".aside"
	if err := os.Rename(a, aside); err != nil {
		return err
	}
	if err := os.Rename(b, a); err != nil {
		return err
	}
	return os.Rename(aside, b)
}

//go:build !linux

package process

import (
	"errors"
	"io"

	"mft.dev/mft/identity/holder"
)

var errClosed = errors.New("the agent ends")

// Possible reports whether there can be such a process here.
func Possible() bool { return false }

func begin(Config) (*holder.Client, func() error, error) {
	return nil, nil, errors.New("there is no key process on this system")
}

// Become makes this process the one that has the keys: on Linux only.
func Become([]string, io.Writer) (status int, asked bool) { return 0, false }

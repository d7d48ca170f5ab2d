//go:build unix

package place

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"

	"mft.dev/mft"
)

// Lock keeps a second update away from the directory of the binary until unlock is
// called, or this process ends. The error is mft.CodeBadState when one is under way.
func (p *Place) Lock() (unlock func(), err error) {
	const op = "lock binary"
	// Not the binary itself, which is another file after Swap.
	f, err := os.Open(filepath.Dir(p.Binary))
	if err != nil {
		return nil, fail(op, p.Binary, err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		if errors.Is(err, syscall.EWOULDBLOCK) {
			err = mft.Fail(mft.CodeBadState, op, p.Binary, errors.New("another update is under way"))
		}
		return nil, fail(op, p.Binary, errors.Join(err, f.Close()))
	}
	return func() { f.Close() }, nil
}

package place

import (
	"errors"
	"path/filepath"

	"golang.org/x/sys/windows"

	"mft.dev/mft"
)

// Lock keeps a second update away from the directory of the binary until unlock is
// called, or this process ends. The error is mft.CodeBadState when one is under way.
func (p *Place) Lock() (unlock func(), err error) {
	const op = "lock binary"
	path, err := windows.UTF16PtrFromString(filepath.Join(filepath.Dir(p.Binary), ".mft-update.lock"))
	if err != nil {
		return nil, fail(op, p.Binary, err)
	}
	// Whoever has it open shares it with nobody, and it goes with them.
	h, err := windows.CreateFile(path, windows.GENERIC_WRITE|windows.DELETE, 0, nil, windows.OPEN_ALWAYS,
		windows.FILE_ATTRIBUTE_HIDDEN|windows.FILE_FLAG_DELETE_ON_CLOSE, 0)
	if errors.Is(err, windows.ERROR_SHARING_VIOLATION) {
		err = mft.Fail(mft.CodeBadState, op, p.Binary, errors.New("another update is under way"))
	}
	if err != nil {
		return nil, fail(op, p.Binary, err)
	}
	return func() { _ = windows.CloseHandle(h) }, nil
}

package confine

import (
	"errors"
	"io/fs"
	"os"

	"mft.dev/mft"
	"mft.dev/mft/internal/confine/filesys"
)

// CodeFor returns the code that fits an error of the operating system. An
// error that has a code keeps it; nil is CodeOK, and what is not known is
// CodeOther.
func CodeFor(err error) mft.Code { return filesys.CodeFor(err) }

// fail makes err the error that leaves the package.
func fail(op, path string, err error) error {
	code := CodeFor(err)
	// The path is said once, by mft.Error.
	var p *fs.PathError
	var l *os.LinkError
	if errors.As(err, &p) && err == error(p) {
		err = p.Err
	} else if errors.As(err, &l) && err == error(l) {
		err = l.Err
	}
	return mft.Fail(code, op, path, err)
}

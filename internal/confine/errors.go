package confine

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"mft.dev/mft"
)

// A refusal is a reason of this package, where no system call failed.
type refusal struct {
	code mft.Code
	why  string
}

func (r *refusal) Error() string { return r.why }

func refuse(code mft.Code, format string, args ...any) error {
	return &refusal{code: code, why: fmt.Sprintf(format, args...)}
}

// fail makes err the error that leaves the package.
func fail(op, path string, err error) error {
	// The path is said once, by mft.Error.
	var p *fs.PathError
	var l *os.LinkError
	code := CodeFor(err)
	if errors.As(err, &p) && err == error(p) {
		err = p.Err
	} else if errors.As(err, &l) && err == error(l) {
		err = l.Err
	}
	return mft.Fail(code, op, path, err)
}

// CodeFor returns the code that fits an error of the operating system. An
// error that has a code keeps it; nil is CodeOK, and what is not known is
// CodeOther.
func CodeFor(err error) mft.Code {
	var known *mft.Error
	var own *refusal
	var errno syscall.Errno
	switch {
	case err == nil:
		return mft.CodeOK
	case errors.As(err, &known):
		return known.Code
	case errors.As(err, &own):
		return own.code
	case errors.As(err, &errno):
		if code := codeOfErrno(errno); code != "" {
			return code
		}
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return mft.CodeNotFound
	case errors.Is(err, fs.ErrExist):
		return mft.CodeExists
	case errors.Is(err, fs.ErrPermission):
		return mft.CodePermission
	}
	return mft.CodeOther
}

package filesys

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"mft.dev/mft"
)

// A refusal is a reason of ours, where no system call failed.
type refusal struct {
	code mft.Code
	why  string
}

func (r *refusal) Error() string { return r.why }

// Refuse makes an error with a code and without a path.
func Refuse(code mft.Code, format string, args ...any) error {
	return &refusal{code: code, why: fmt.Sprintf(format, args...)}
}

// RefuseName is the reason why nothing is made with a name for which IsBadName
// holds.
func RefuseName() error { return Refuse(mft.CodeBadPath, "the file system refuses the name") }

// RefuseNotRegular is the reason why something is not opened.
func RefuseNotRegular() error { return Refuse(mft.CodeNotRegular, "it is not a regular file") }

// Cause takes operation and path off an error of package os, for whoever names
// them in words of their own.
func Cause(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
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

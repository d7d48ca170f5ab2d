//go:build linux || darwin

package filesys

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"

	"mft.dev/mft"
)

// codeOfErrno returns the code of an errno, or empty.
func codeOfErrno(e syscall.Errno) mft.Code {
	switch e {
	case unix.ENOSPC:
		return mft.CodeNoSpace
	case unix.EDQUOT:
		return mft.CodeQuota
	case unix.EACCES, unix.EPERM:
		return mft.CodePermission
	case unix.EFBIG:
		return mft.CodeTooLarge
	case unix.ENAMETOOLONG:
		return mft.CodeNameTooLong
	case unix.EROFS:
		return mft.CodeReadOnly
	case unix.EEXIST, unix.ENOTEMPTY:
		return mft.CodeExists
	case unix.ENOENT:
		return mft.CodeNotFound
	case unix.ELOOP:
		return mft.CodeSymlink
	case unix.ENOTDIR, unix.EISDIR:
		return mft.CodeWrongType
	case unix.EILSEQ:
		return mft.CodeBadPath
	case unix.EIO, unix.EBADMSG, unix.ESTALE, unix.ENOTCONN, unix.ETIMEDOUT, unix.EHOSTDOWN, errnoDamaged:
		// The later ones are how network and user-space file systems say
		// that what is behind them is gone.
		return mft.CodeIO
	}
	return ""
}

// IsCrossDevice reports whether two names are on different file systems.
func IsCrossDevice(err error) bool { return errors.Is(err, unix.EXDEV) }

// IsBadName reports whether a call that takes a new name refused the name:
// file systems with rules for names say EINVAL.
func IsBadName(err error) bool { return errors.Is(err, unix.EINVAL) }

package filesys

import (
	"errors"
	"syscall"

	"golang.org/x/sys/windows"

	"mft.dev/mft"
)

// codeOfErrno returns the code of a system error code, or empty.
func codeOfErrno(e syscall.Errno) mft.Code {
	switch e {
	case windows.ERROR_DISK_FULL, windows.ERROR_HANDLE_DISK_FULL:
		return mft.CodeNoSpace
	case windows.ERROR_DISK_QUOTA_EXCEEDED, windows.ERROR_NOT_ENOUGH_QUOTA:
		return mft.CodeQuota
	case windows.ERROR_ACCESS_DENIED, windows.ERROR_PRIVILEGE_NOT_HELD:
		return mft.CodePermission
	case windows.ERROR_FILENAME_EXCED_RANGE:
		return mft.CodeNameTooLong
	case windows.ERROR_WRITE_PROTECT:
		return mft.CodeReadOnly
	case windows.ERROR_FILE_EXISTS, windows.ERROR_ALREADY_EXISTS, windows.ERROR_DIR_NOT_EMPTY:
		return mft.CodeExists
	case windows.ERROR_FILE_NOT_FOUND, windows.ERROR_PATH_NOT_FOUND:
		return mft.CodeNotFound
	case windows.ERROR_CANT_RESOLVE_FILENAME, syscall.ELOOP:
		return mft.CodeSymlink
	case windows.ERROR_DIRECTORY, syscall.EISDIR:
		return mft.CodeWrongType
	case windows.ERROR_INVALID_NAME:
		return mft.CodeBadPath
	case windows.ERROR_CRC, windows.ERROR_IO_DEVICE, windows.ERROR_READ_FAULT, windows.ERROR_WRITE_FAULT,
		windows.ERROR_NETNAME_DELETED, windows.ERROR_BAD_NETPATH:
		return mft.CodeIO
	}
	return ""
}

// IsCrossDevice reports whether two names are on different file systems.
func IsCrossDevice(err error) bool { return errors.Is(err, windows.ERROR_NOT_SAME_DEVICE) }

// IsBadName reports whether a call that takes a new name refused the name.
func IsBadName(err error) bool { return errors.Is(err, windows.ERROR_INVALID_NAME) }

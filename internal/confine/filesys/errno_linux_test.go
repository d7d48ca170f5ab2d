package filesys

import (
	"fmt"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"mft.dev/mft"
)

func TestCodeForErrno(t *testing.T) {
	for errno, want := range map[syscall.Errno]mft.Code{
		unix.ENOSPC: mft.CodeNoSpace, unix.EDQUOT: mft.CodeQuota,
		unix.EACCES: mft.CodePermission, unix.EPERM: mft.CodePermission,
		unix.EFBIG: mft.CodeTooLarge, unix.ENAMETOOLONG: mft.CodeNameTooLong, unix.EROFS: mft.CodeReadOnly,
		unix.EEXIST: mft.CodeExists, unix.ENOTEMPTY: mft.CodeExists, unix.ENOENT: mft.CodeNotFound,
		unix.ELOOP: mft.CodeSymlink, unix.ENOTDIR: mft.CodeWrongType, unix.EISDIR: mft.CodeWrongType,
		unix.EIO: mft.CodeIO, unix.ESTALE: mft.CodeIO, unix.EUCLEAN: mft.CodeIO, unix.ENOTCONN: mft.CodeIO,
		unix.EILSEQ: mft.CodeBadPath, unix.EXDEV: mft.CodeOther, unix.EBUSY: mft.CodeOther, unix.EMFILE: mft.CodeOther,
	} {
		if got := CodeFor(fmt.Errorf("doing it: %w", errno)); got != want {
			t.Errorf("CodeFor(%v) = %q, want %q", errno, got, want)
		}
	}
}

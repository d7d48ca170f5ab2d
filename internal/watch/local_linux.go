package watch

import "golang.org/x/sys/unix"

// Local reports whether the system tells of every change below root. It does not of
// what other hosts do in a file system that they share, nor of what the program
// behind one in user space does.
func Local(root string) bool {
	var s unix.Statfs_t
	if err := unix.Statfs(root, &s); err != nil {
		return false
	}
	switch uint32(s.Type) { // statfs(2)
	case unix.NFS_SUPER_MAGIC, unix.SMB_SUPER_MAGIC, unix.CIFS_SUPER_MAGIC, unix.SMB2_SUPER_MAGIC, unix.FUSE_SUPER_MAGIC,
		unix.V9FS_MAGIC, unix.AFS_SUPER_MAGIC, unix.AFS_FS_MAGIC, unix.CEPH_SUPER_MAGIC, unix.CODA_SUPER_MAGIC, unix.NCP_SUPER_MAGIC,
		lustre, gfs2, gpfs, unix.OCFS2_SUPER_MAGIC:
		return false
	}
	return true
}

// Of file systems that are not in every kernel.
const (
	lustre = 0x0bd00bd0
	gfs2   = 0x01161970
	gpfs   = 0x47504653
)

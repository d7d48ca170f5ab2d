package filesys

import "golang.org/x/sys/unix"

// errnoDamaged is how this system says that a file system or its device is
// broken, where EIO does not say enough.
const errnoDamaged = unix.EUCLEAN

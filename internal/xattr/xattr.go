// Package xattr reads and sets the extended attributes of open files and directories.
//
// It is for Linux; elsewhere everything fails with [errors.ErrUnsupported], as it does on
// a file system that has none. Errors are those of the operating system.
package xattr

// The attributes in which Linux keeps access lists.
const (
	Access  = "system.posix_acl_access"
	Default = "system.posix_acl_default"
)

// Package filesys says what each operating system says about a file in one
// vocabulary: what identifies it, its attributes, holes and reserved space,
// what is left of its file system, and what an error means.
//
// It is the place for what differs between Linux, macOS and Windows, for the
// use of package confine, which passes most of it on and has the errors say
// which path they are about. It resolves no path by itself.
package filesys

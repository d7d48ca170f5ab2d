// Package entries works on what is in an open directory: names are taken
// relative to its descriptor, one component at a time, and links are not
// followed.
//
// It is for what is done to every one of very many small files on Linux: a
// [Listing] looks at all of a directory, and the functions open, read and make
// one file, with the fewest system calls that do and with no memory of their
// own. Errors are those of the kernel, or have a code by filesys.Refuse. Names
// must have passed beneath.CheckName; the package does not check them, keeps
// nothing open but a Listing, and knows no paths.
package entries

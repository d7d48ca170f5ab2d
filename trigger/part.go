package trigger

// A Part is some of what is in one directory of a source, in the order in which a scan comes
// to it. Two that look the same, under a key that nobody else knows, are the same.
type Part struct {
	Dir    uint64 // hash of the path of the directory
	Number uint32 // of those of the directory, from 0
	Look   uint64 // hash of the names and of what is known of each; never 0
	Files  uint32
}

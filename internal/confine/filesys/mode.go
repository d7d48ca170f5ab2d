package filesys

import "io/fs"

// Bits of Identity.Mode, as in stat(2) of every Unix.
const (
	typeMask    = 0o170000
	typeSocket  = 0o140000
	typeSymlink = 0o120000
	typeRegular = 0o100000
	typeBlock   = 0o060000
	typeDir     = 0o040000
	typeChar    = 0o020000
	typePipe    = 0o010000
	bitSetUID   = 0o4000
	bitSetGID   = 0o2000
	bitSticky   = 0o1000
)

// GoMode translates from Unix to Go encoding.
func GoMode(m uint32) fs.FileMode {
	out := fs.FileMode(m & 0o777)
	if m&bitSetUID != 0 {
		out |= fs.ModeSetuid
	}
	if m&bitSetGID != 0 {
		out |= fs.ModeSetgid
	}
	if m&bitSticky != 0 {
		out |= fs.ModeSticky
	}
	switch m & typeMask {
	case 0, typeRegular: // 0 when only permission bits are meant
	case typeDir:
		out |= fs.ModeDir
	case typeSymlink:
		out |= fs.ModeSymlink
	case typePipe:
		out |= fs.ModeNamedPipe
	case typeSocket:
		out |= fs.ModeSocket
	case typeChar:
		out |= fs.ModeDevice | fs.ModeCharDevice
	case typeBlock:
		out |= fs.ModeDevice
	default:
		out |= fs.ModeIrregular
	}
	return out
}

// UnixMode translates from Go to Unix encoding.
func UnixMode(m fs.FileMode) uint32 {
	out := uint32(m.Perm())
	if m&fs.ModeSetuid != 0 {
		out |= bitSetUID
	}
	if m&fs.ModeSetgid != 0 {
		out |= bitSetGID
	}
	if m&fs.ModeSticky != 0 {
		out |= bitSticky
	}
	switch {
	case m.IsRegular():
		out |= typeRegular
	case m.IsDir():
		out |= typeDir
	case m&fs.ModeSymlink != 0:
		out |= typeSymlink
	case m&fs.ModeNamedPipe != 0:
		out |= typePipe
	case m&fs.ModeSocket != 0:
		out |= typeSocket
	case m&fs.ModeCharDevice != 0:
		out |= typeChar
	case m&fs.ModeDevice != 0:
		out |= typeBlock
	}
	return out
}

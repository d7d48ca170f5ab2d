package bundle

import (
	"encoding/binary"
	"fmt"
	"math"

	"mft.dev/mft"
)

const (
	// segmentMax is the most content of one segment. A connection that meets
	// loss holds up those behind it for as long as its segment takes, so
	// segments are small: two TLS records with their header.
	segmentMax = 2*blockSize - headerSize
	// blockSize is the memory for what comes in one read, a TLS record, and
	// blocks is how many a connection may have: what waits there for its turn
	// keeps the network going.
	blockSize = 16 << 10
	blocks    = 32
	// headerSize is the length of a segment's header: where in the stream its
	// content begins, u64, and how long it is, u32, both big-endian. A segment
	// without content ends the stream there.
	headerSize = 12
	// aheadMax is how far ahead of what was read a segment may begin. What is
	// ahead is in the buffers of the network, so this bounds no memory; a peer
	// that goes beyond is broken.
	aheadMax = 1 << 30
	// greetingSize is the length of what the end that dialled says first on a
	// connection: 'b', the version 1, which connection it is and of how many.
	greetingSize = 4
)

// A header says what follows on a connection.
type header struct {
	offset uint64
	size   int // 0 is the end of the stream
}

func appendHeader(b []byte, h header) []byte {
	b = binary.BigEndian.AppendUint64(b, h.offset)
	return binary.BigEndian.AppendUint32(b, uint32(h.size))
}

// parseHeader reads a header of headerSize bytes. The error has code
// mft.CodeProtocol.
func parseHeader(b []byte) (header, error) {
	offset, size := binary.BigEndian.Uint64(b), binary.BigEndian.Uint32(b[8:])
	if size > segmentMax {
		return header{}, nonsense("a segment of %d bytes, %d are the most", size, segmentMax)
	}
	if offset > math.MaxInt64-segmentMax {
		return header{}, nonsense("a segment at %d, which no stream reaches", offset)
	}
	return header{offset, int(size)}, nil
}

func greeting(index, streams int) []byte { return []byte{'b', 1, byte(index), byte(streams)} }

// parseGreeting returns which of the agreed connections this is. The error has
// code mft.CodeProtocol.
func parseGreeting(b []byte, streams int) (index int, err error) {
	switch {
	case b[0] != 'b' || b[1] != 1:
		return 0, nonsense("a greeting of another kind: %x", b)
	case int(b[3]) != streams:
		return 0, nonsense("a connection of %d, %d were agreed", b[3], streams)
	case int(b[2]) >= streams:
		return 0, nonsense("connection %d of %d", b[2], streams)
	}
	return int(b[2]), nil
}

func nonsense(format string, args ...any) error {
	return mft.Fail(mft.CodeProtocol, "read from the data connections", "", fmt.Errorf(format, args...))
}

package record

import (
	"encoding/binary"

	"mft.dev/mft/exchange/parcel"
)

// This file says where recording goes on after an interruption: right behind the
// last thing that counts, in the middle of a part. What follows there comes once
// more from the sender, on this host; the parts that it fills are known by their
// prints, also those behind one that was never staged, and are not staged again.

// resumeAt returns the position in the parcel where recording goes on.
func (l *ledger) resumeAt() int64 {
	part := int64(l.head.part)
	at := l.kept()
	if inside := at % part; inside == 0 || l.prints[int(at/part)].From == at {
		return at
	}
	// It is not known what follows: it goes on behind what is staged.
	return (l.staged + part - 1) / part * part
}

// print notes that a part is staged. It may be called beside everything else.
func (l *ledger) print(p parcel.Print) error {
	b := binary.BigEndian.AppendUint64(nil, uint64(p.Number))
	b = binary.BigEndian.AppendUint64(b, uint64(p.From))
	b = binary.BigEndian.AppendUint32(b, p.Rest)
	return l.add(entryPrint, binary.BigEndian.AppendUint32(b, p.Whole))
}

// changed notes that a part is about to be staged with other content. It is
// flushed: the print must not outlive the part.
func (l *ledger) changed(number int) error {
	delete(l.prints, number)
	if err := l.mark(entryChanged, int64(number)); err != nil {
		return err
	}
	return l.flush()
}

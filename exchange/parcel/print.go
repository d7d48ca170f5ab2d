package parcel

import (
	"errors"
	"hash/crc32"
)

// A Print is by what the content of a staged part is known again, so that a
// writer that goes on after an interruption, and is given the same content once
// more, does not stage it once more. It is a checksum and no proof: content that
// only looks the same is found out by its digest, at the receiver.
type Print struct {
	Number int
	// From is the position in the parcel where Rest begins: that of the last Cut
	// in the part, or its beginning.
	From int64
	// Rest is the CRC-32C of the content from there on, Whole that of all.
	Rest, Whole uint32
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// ErrChanged is the error of a writer that went on in the middle of a part, and
// was not given the content that followed there before.
var ErrChanged = errors.New("the content is not what followed before the interruption")

// Known is what a writer that goes on knows of what was staged before, and whom
// it tells of what is staged now.
type Known struct {
	// At is where it goes on. What lies before it in its part is staged.
	At     int64
	Prints map[int]Print
	// Changed is called before a part is staged in place of one that was. After
	// its error nothing is staged.
	Changed func(number int) error
	// Note is called by several goroutines at once, with the print of each full
	// part as soon as it is staged and before another is staged in its place: so no
	// more parts than are staged at once are ever staged and not noted, however long
	// nothing is written. Its error counts as one of Stage. It may be nil.
	Note func(Print) error
}

// Resume has the writer go on at a place of an earlier one. It is called before
// the first Write.
func (w *Writer) Resume(k Known) {
	part := int64(w.form.Part)
	w.known, w.next, w.whole = k, int(k.At/part), int(k.At/part)
	if n := int(k.At % part); n > 0 {
		w.plain = make([]byte, n, w.form.Part)
		w.unread, w.cut = n, n
	}
}

// Cut notes that everything before this place may be kept, and content after it
// come again.
func (w *Writer) Cut() { w.cut = len(w.plain) }

// print returns the print of the part that is being filled.
func (w *Writer) print() Print {
	return Print{
		Number: w.next, From: int64(w.next)*int64(w.form.Part) + int64(w.cut),
		Rest: crc32.Checksum(w.plain[w.cut:], castagnoli), Whole: crc32.Checksum(w.plain, castagnoli),
	}
}

// recognize reports whether the part that is being filled is staged already.
func (w *Writer) recognize() (bool, error) {
	old, ok := w.known.Prints[w.next]
	if ok && len(w.plain) == w.form.Part {
		if w.unread == 0 && old.Whole == crc32.Checksum(w.plain, castagnoli) {
			return true, nil
		}
		start := int64(w.next) * int64(w.form.Part)
		if w.unread > 0 && old.From == start+int64(w.unread) && old.Rest == crc32.Checksum(w.plain[w.unread:], castagnoli) {
			return true, nil
		}
	}
	if ok {
		if err := w.known.Changed(w.next); err != nil {
			return false, err
		}
	}
	if w.unread > 0 {
		return false, ErrChanged
	}
	return false, nil
}

package resident

import (
	"encoding/binary"
	"errors"
	"slices"

	"mft.dev/mft"
	"mft.dev/mft/protocol/listing"
	"mft.dev/mft/transfer"
	"mft.dev/mft/transfer/look"
	"mft.dev/mft/transfer/scan"
)

// A printed is a directory of which the sender was told in prints what is there,
// until it has said what of that it has.
type printed struct {
	number uint64 // of the listing
	rel    string // below the root
	scan.Listing
	seen *look.Look
}

// fewPrints is the least number of entries, at both ends, that prints are told for:
// fewer are announced as soon.
const fewPrints = 8

// tells reports whether a directory that differs, and was just looked at, is told in
// prints. What in it cannot travel has none.
func (p *Place) tells(l *listing.Listing, here *scan.Listing, seen *look.Look) bool {
	n := here.Items
	return here.Unfit == 0 && seen.Whole() && n <= listing.MaxPrints && int64(p.prints)+n <= listing.PrintWindow &&
		p.printedSize+seen.Needs() <= mostLooks && min(n, l.Entries) >= fewPrints && n/fewPrints <= l.Entries &&
		!p.looks.off && seen.Watch(p.root, p.looks.below(l.Path))
}

// tellPrints returns the prints of a directory, for which tells.
func (p *Place) tellPrints(n uint64, dir string, here *scan.Listing, seen *look.Look) listing.Prints {
	p.printed = append(p.printed, printed{n, p.looks.below(dir), *here, seen.Clone()})
	p.prints, p.printedSize = p.prints+seen.Len(), p.printedSize+seen.Needs()
	p.text = p.text[:0]
	for _, low := range p.lister.Prints() {
		p.text = p.text.AppendPrint(low)
	}
	return p.text
}

// isPrinted reports whether the directory of that path below the root is the next
// that the sender is to say something about.
func (p *Place) isPrinted(rel string) bool { return len(p.printed) > 0 && p.printed[0].rel == rel }

// Matched takes the sender's word on what of a directory both ends have, and returns
// how much that is. What the sender does not have is for Seen to tell.
//
// The sums of what is left at both ends have to be the same, as if these were two
// directories: so nothing is taken to be the same because two prints are alike. They may
// be, once in a great while: then it fails with mft.CodeCorrupt, and the next
// attempt has another key. Other errors: mft.CodeProtocol.
func (p *Place) Matched(m *listing.Matched) (same mft.Count, err error) {
	if len(p.printed) == 0 || p.printed[0].number != m.Listing || p.rest != nil {
		return same, transfer.Nonsense("listing %d is matched out of turn", m.Listing)
	}
	d := p.printed[0]
	n := d.seen.Len()
	if k := len(m.Others); k > n || k > 0 && m.Others[k-1] >= n {
		return same, transfer.Nonsense("listing %d is matched with more than its %d prints", m.Listing, n)
	}
	p.printed = slices.Delete(p.printed, 0, 1)
	p.prints, p.printedSize = p.prints-n, p.printedSize-d.seen.Needs()

	same = d.Count
	same.Items -= int64(len(m.Others))
	low, high := binary.LittleEndian.Uint64(d.Digest[:]), binary.LittleEndian.Uint64(d.Digest[8:])
	for _, i := range m.Others {
		name, id, target := d.seen.At(i)
		a, b := p.lister.Print(name, id, target)
		if low, high = low-a, high-b; id.IsRegular() {
			same.Bytes -= id.Size
		}
	}
	if scan.Digest(low, high) != m.Digest {
		return same, mft.Fail(mft.CodeCorrupt, "compare", d.rel, errors.New("what both ends are said to have is not the same"))
	}
	if p.terms.Mirror {
		p.rest = &printed{rel: d.rel, seen: d.seen.Only(m.Others)}
	}
	return same, nil
}

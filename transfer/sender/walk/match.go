package walk

import (
	"slices"

	"mft.dev/mft"
	"mft.dev/mft/internal/confine"
	"mft.dev/mft/protocol/listing"
	"mft.dev/mft/transfer/scan"
)

// A match finds in a directory what the receiver has told in prints. Its memory is
// used for one after the other.
type match struct {
	lister    *scan.Lister
	dirs      []string       // that will be walked without having been announced
	numbers   map[uint64]int // by print
	found     []bool         // by number
	low, high uint64         // sums of what was found
	same      mft.Count
}

// begin begins with the directory of an answer. What it returns says of an entry
// whether the receiver has it; nil if the answer has no prints.
func (m *match) begin(lister *scan.Lister, k *ask) scan.Had {
	if k.answer != listing.Differ {
		return nil
	}
	if m.numbers == nil {
		m.numbers = make(map[uint64]int)
	}
	clear(m.numbers)
	for i := range k.prints.Len() {
		m.numbers[k.prints.At(i)] = i
	}
	m.lister, m.dirs, m.low, m.high, m.same = lister, k.dirs, 0, 0, mft.Count{}
	m.found = append(m.found[:0], make([]bool, k.prints.Len())...)
	return m.had
}

func (m *match) had(name []byte, id *confine.Identity, target []byte) bool {
	if id.IsDir() {
		// Who came after the directory was asked about has to be announced, to be walked.
		if _, known := slices.BinarySearch(m.dirs, string(name)); !known {
			return false
		}
	}
	low, high := m.lister.Print(name, id, target)
	i, ok := m.numbers[listing.Print(low)]
	if !ok || m.found[i] {
		return false
	}
	m.found[i] = true
	m.low, m.high = m.low+low, m.high+high
	if m.same.Items++; id.IsRegular() {
		m.same.Bytes += id.Size
	}
	return true
}

// end returns what is to be told of the listing of that number, and how much the
// receiver has.
func (m *match) end(number uint64) (listing.Matched, mft.Count) {
	told := listing.Matched{Listing: number, Digest: scan.Digest(m.low, m.high)}
	for i, found := range m.found {
		if !found {
			told.Others = append(told.Others, i)
		}
	}
	return told, m.same
}

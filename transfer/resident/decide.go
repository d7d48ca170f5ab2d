package resident

import (
	"mft.dev/mft"
	"mft.dev/mft/protocol/listing"
)

// Finding is what is to be done about an item for which something is there.
type Finding uint8

// The findings.
const (
	Nothing  Finding = iota // it is sent, or made, as if nothing were there
	Same                    // it is there
	Adjusted                // it is there, and only has to get other attributes
	Content                 // it may be there: the content decides
	SetDir                  // the directory is there, and gets the attributes of the item at the end
)

// A Rule is what Decide goes by besides the two items.
type Rule struct {
	Compare mft.Compare
	// Never says that what is there must not be changed.
	Never bool
	// Mirror says that directories get the attributes of their items.
	Mirror bool
	// MayAdjust says that the file may be given other attributes where it is.
	MayAdjust bool
}

func (t Terms) rule(mayAdjust bool) Rule {
	return Rule{Compare: t.Compare, Never: t.Overwrite == mft.OverwriteNever, Mirror: t.Mirror, MayAdjust: mayAdjust}
}

// Decide says what follows from have, which is at the destination, for it,
// which is announced. It is pure.
func Decide(it, have *mft.Item, r Rule, basis mft.Basis) Finding {
	if it.Type != have.Type {
		return Nothing
	}
	alike := listing.Alike(it, have, basis)
	switch {
	case it.Type == mft.ItemDir && !alike && r.Mirror && !r.Never:
		return SetDir
	case r.Compare == mft.CompareNone:
		return Nothing
	case it.Type == mft.ItemDir:
		return Same
	case it.Type == mft.ItemSymlink && alike:
		return Same
	case it.Type == mft.ItemSymlink || it.Size != have.Size:
		return Nothing
	}
	switch {
	case r.Compare == mft.CompareContent && it.Size > 0 && (alike || r.Never || r.MayAdjust):
		return Content
	case r.Compare == mft.CompareContent:
		return Nothing
	case alike:
		return Same
	case it.MTime == have.MTime && !r.Never && r.MayAdjust:
		return Adjusted
	}
	return Nothing
}

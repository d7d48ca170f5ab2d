package wire

import (
	"math"

	"mft.dev/mft"
)

// This file has the fields that say what is to be done with what is at a
// destination.

// overwrites are the policies by their number on the wire; 0 is none.
var overwrites = [...]mft.Overwrite{"", mft.OverwriteReplace, mft.OverwriteNever, mft.OverwriteVersion, mft.OverwriteCanary}

// AppendOverwrite appends what Overwrite reads.
func AppendOverwrite(b []byte, o mft.Overwrite) []byte {
	for i, v := range overwrites {
		if v == o {
			return append(b, uint8(i))
		}
	}
	return append(b, 0)
}

// Overwrite reads an overwrite policy.
func (r *Reader) Overwrite() mft.Overwrite {
	v := r.U8("overwrite")
	if v == 0 || int(v) >= len(overwrites) {
		r.Fail("overwrite", "%d is no policy", v)
		return ""
	}
	return overwrites[v]
}

// compares are the ways to compare by their number on the wire.
var compares = [...]mft.Compare{mft.CompareNone, mft.CompareQuick, mft.CompareContent}

// AppendCompare appends what Compare reads; none for what it does not know.
func AppendCompare(b []byte, v mft.Compare) []byte {
	for i, known := range compares {
		if known == v {
			return append(b, uint8(i))
		}
	}
	return append(b, 0)
}

// Compare reads a way to compare.
func (r *Reader) Compare() mft.Compare {
	v := r.U8("compare")
	if int(v) >= len(compares) {
		r.Fail("compare", "%d is no way to", v)
		return ""
	}
	return compares[v]
}

// compressions are the ways to compress by their number on the wire.
var compressions = [...]mft.Compress{mft.CompressNever, mft.CompressAuto, mft.CompressAlways}

// AppendCompress appends what Compress reads; never for what it does not know.
func AppendCompress(b []byte, v mft.Compress) []byte {
	for i, known := range compressions {
		if known == v {
			return append(b, uint8(i))
		}
	}
	return append(b, 0)
}

// Compress reads when to compress.
func (r *Reader) Compress() mft.Compress {
	v := r.U8("compress")
	if int(v) >= len(compressions) {
		r.Fail("compress", "%d is no way to", v)
		return ""
	}
	return compressions[v]
}

// MaxPercent is the largest share that a mirror may name.
const MaxPercent = 100

// How a mirror begins.
const (
	noMirror = iota
	plainMirror
	ruledMirror // whose rules follow
)

// MaxRules is the most rules of a mirror.
const MaxRules = 1000

// AppendMirror appends what Mirror reads: a limit that is none as 0, others as
// 1 more. A mirror without rules is written as those have it who know of none.
func AppendMirror(b []byte, m *mft.Mirror, rules []string) []byte {
	switch {
	case !m.On:
		return append(b, noMirror)
	case len(rules) == 0:
		b = append(b, plainMirror)
	default:
		b = append(b, ruledMirror)
	}
	b = AppendUint(b, uint64(max(m.MaxFiles, -1)+1))
	b = AppendUint(b, uint64(min(max(m.MaxPercent, -1), MaxPercent)+1))
	if len(rules) == 0 {
		return b
	}
	b = AppendUint(b, uint64(len(rules)))
	for _, rule := range rules {
		b = AppendBytes(b, rule)
	}
	return b
}

// Mirror reads the order to remove, its limits and rules. What the rules mean is not
// looked at.
func (r *Reader) Mirror() (m mft.Mirror, rules []string) {
	kind := r.U8("mirror")
	if kind > ruledMirror {
		r.Fail("mirror", "%d is none", kind)
	}
	if m.On = kind != noMirror && r.Err() == nil; !m.On {
		return m, nil
	}
	m.MaxFiles = int64(r.Uint("most files", math.MaxInt64)) - 1
	m.MaxPercent = int(r.Uint("most percent", MaxPercent+1)) - 1
	if kind != ruledMirror {
		return m, nil
	}
	n := r.Count("rules", MaxRules, 1)
	if n == 0 {
		r.Fail("rules", "0 are too few")
	}
	for i := range n {
		r.Entry(i)
		if rule := r.Path("rule"); r.Err() == nil {
			rules = append(rules, rule)
		}
	}
	r.entry = 0
	return m, rules
}

// AppendBasis appends what Basis reads.
func AppendBasis(b []byte, s *mft.Basis) []byte {
	for _, flag := range []bool{s.Present, s.Listings, s.Owners, s.SetID, s.Dirs} {
		b = AppendFlag(b, flag)
	}
	return append(b, s.Salt[:]...)
}

// Basis reads what there is to compare with.
func (r *Reader) Basis() (s mft.Basis) {
	s.Present = r.Flag("present")
	s.Listings = r.Flag("listings")
	s.Owners = r.Flag("owners")
	s.SetID = r.Flag("setid")
	s.Dirs = r.Flag("directories")
	r.Fixed("salt", s.Salt[:])
	return s
}

// AppendPreserve appends a set at the end of a message, of which the empty one is nothing.
func AppendPreserve(b []byte, p mft.Preserve) []byte {
	if p == 0 {
		return b
	}
	return append(b, uint8(p))
}

// Preserve reads what AppendPreserve wrote.
func (r *Reader) Preserve() mft.Preserve {
	if !r.More() || r.err != nil {
		return 0
	}
	p := mft.Preserve(r.U8("preserve"))
	if p == 0 || !mft.PreserveAll.Has(p) {
		r.Fail("preserve", "%#x is no set", uint8(p))
		return 0
	}
	return p
}

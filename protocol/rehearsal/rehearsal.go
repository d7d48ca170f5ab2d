// Package rehearsal is what two agents say to each other about a run that is not
// made: the one at the source names what it would send, directory by directory, and
// the one at the destination says what is there instead, and what a mirror would
// remove.
//
// It is part of the protocol, see docs/protocol.md, and refuses what package protocol
// refuses. Whether the destination may be looked at is for whoever is asked.
package rehearsal

import (
	"fmt"
	"path"

	"mft.dev/mft"
	"mft.dev/mft/protocol"
	"mft.dev/mft/protocol/internal/wire"
)

// Limits of one message.
const (
	// MaxBytes is what the parts of a question and of an answer may take together, as
	// SizeOf and SizeOfExtra count them.
	MaxBytes = 48 << 10
	// MaxPortions is the most directories in a question, MaxNames the most names in
	// all of them.
	MaxPortions, MaxNames = 256, 4096
	// MaxPlace is the longest destination in bytes.
	MaxPlace = 4096
)

// A Verdict is what becomes of an item at the destination.
type Verdict uint8

// The verdicts. Files are told apart by size and time.
const (
	New     Verdict = iota + 1 // nothing is there
	Changed                    // what is there is replaced
	Same                       // it is there already
	Unsure                     // contents would have to be compared
	Kept                       // what is there is not replaced
	Blocked                    // a directory stands in the place of a file, or a file in that of a directory
)

// String returns the verdict in one word.
func (v Verdict) String() string {
	if names := [...]string{New: "new", Changed: "changed", Same: "same", Unsure: "unsure", Kept: "kept", Blocked: "blocked"}; int(v) < len(names) && v > 0 {
		return names[v]
	}
	return fmt.Sprintf("verdict %d", uint8(v))
}

// A Question is about some directories of what a transfer would send.
type Question struct {
	// Destination, Overwrite, Compare, Mirror and Rules are those of an offer.
	Destination string
	Overwrite   mft.Overwrite
	Compare     mft.Compare
	Mirror      mft.Mirror
	Rules       []string
	Portions    []Portion
}

// A Portion is a directory, or so many of its names in the order of their bytes.
type Portion struct {
	// Dir is below the destination, "" for that itself.
	Dir string
	// After is the name that the portion begins after, "" for the first one; Last says
	// that the directory has no names behind those that the portion has.
	After string
	Last  bool
	// Items lie directly in Dir, and Stays are names there that would neither be sent
	// nor removed.
	Items []mft.Item
	Stays []string
}

// An Answer is that to one portion.
type Answer struct {
	Verdicts []Verdict // one for each item
	// Extras are names that a mirror would remove, and Rest, without a name, sums up those
	// that had no room.
	Extras []Extra
	Rest   Extra
	// Unseen says that the directory has too many names to say what would be removed.
	Unseen bool
}

// An Extra is what a mirror would remove: the name, how much there is with it and below
// it, and how many of those are no directories.
type Extra struct {
	Name string
	Dir  bool
	mft.Count
	Files int64
}

// Add adds another one to a sum.
func (e *Extra) Add(other *Extra) {
	e.Items += other.Items
	e.Bytes += other.Bytes
	e.Files += other.Files
}

// SizeOf is how many bytes an item takes at most.
func SizeOf(it *mft.Item) int { return protocol.ItemSize(it) }

// SizeOfName is how many bytes a name takes at most that stays, and a directory.
func SizeOfName(name string) int { return len(name) + 32 }

// Append appends the body of a protocol.KindRehearse.
func Append(b []byte, q *Question) []byte {
	b = wire.AppendBytes(b, q.Destination)
	b = wire.AppendCompare(wire.AppendOverwrite(b, q.Overwrite), q.Compare)
	b = wire.AppendMirror(b, &q.Mirror, q.Rules)
	b = wire.AppendUint(b, uint64(len(q.Portions)))
	for i := range q.Portions {
		p := &q.Portions[i]
		b = wire.AppendFlag(wire.AppendBytes(wire.AppendBytes(b, p.Dir), p.After), p.Last)
		b = wire.AppendBytes(b, protocol.AppendItems(nil, 0, p.Items))
		b = wire.AppendUint(b, uint64(len(p.Stays)))
		for _, name := range p.Stays {
			b = wire.AppendBytes(b, name)
		}
	}
	return b
}

// Parse reads what Append wrote.
func Parse(body []byte) (Question, error) {
	const smallest = 6 // bytes of a portion
	c := wire.Read("read what would be sent", body)
	q := Question{Destination: string(c.Bytes("destination", MaxPlace)), Overwrite: c.Overwrite(), Compare: c.Compare()}
	q.Mirror, q.Rules = c.Mirror()
	names := 0
	for i := range c.Count("directories", MaxPortions, smallest) {
		c.Entry(i)
		p := readPortion(&c)
		if names += len(p.Items) + len(p.Stays); names > MaxNames {
			c.Fail("names", "more than %d", MaxNames)
		}
		if c.Err() != nil {
			break
		}
		q.Portions = append(q.Portions, p)
	}
	return wire.Done(&c, q)
}

func readPortion(c *wire.Reader) (p Portion) {
	if p.Dir = string(c.Bytes("directory", protocol.MaxPath)); p.Dir != "" && c.Err() == nil {
		if err := protocol.CheckPath(p.Dir); err != nil {
			c.FailWith(mft.CodeOf(err), err)
		}
	}
	p.After, p.Last = name(c, "after", true), c.Flag("last")
	_, items, err := protocol.ParseItems(c.Bytes("items", protocol.MaxBody))
	if err != nil && c.Err() == nil {
		c.FailWith(mft.CodeOf(err), err)
	}
	last := p.After
	for i := range items {
		if above(items[i].Path) != p.Dir || path.Base(items[i].Path) <= last {
			c.Fail("items", "item %d is not in its directory, or out of turn", i)
			break
		}
		last = path.Base(items[i].Path)
	}
	p.Items = items
	for range c.Count("names that stay", MaxNames, 1) {
		p.Stays = append(p.Stays, name(c, "name that stays", false))
		if c.Err() != nil {
			break
		}
	}
	return p
}

// above is the directory of a path, "" at the top.
func above(p string) string {
	if d := path.Dir(p); d != "." {
		return d
	}
	return ""
}

// name reads one component of a path.
func name(c *wire.Reader, field string, empty bool) string {
	s := string(c.Bytes(field, protocol.MaxPath))
	if c.Err() != nil || s == "" && empty {
		return s
	}
	if err := protocol.CheckPath(s); err != nil || above(s) != "" {
		c.Fail(field, "is no name")
	}
	return s
}

// AppendAnswers appends the body of a protocol.KindRehearsed.
func AppendAnswers(b []byte, list []Answer) []byte {
	b = wire.AppendUint(b, uint64(len(list)))
	for i := range list {
		a := &list[i]
		b = wire.AppendUint(b, uint64(len(a.Verdicts)))
		for _, v := range a.Verdicts {
			b = append(b, uint8(v))
		}
		b = wire.AppendUint(b, uint64(len(a.Extras)))
		for _, e := range a.Extras {
			b = wire.AppendFlag(wire.AppendBytes(b, e.Name), e.Dir)
			b = appendSum(b, &e)
		}
		b = wire.AppendFlag(appendSum(b, &a.Rest), a.Unseen)
	}
	return b
}

func appendSum(b []byte, e *Extra) []byte {
	return wire.AppendSize(wire.AppendCounted(b, e.Count), e.Files)
}

func readSum(c *wire.Reader, e *Extra) {
	e.Count, e.Files = c.Counted(), c.Size("files")
	if e.Files > e.Items && c.Err() == nil {
		c.Fail("files", "%d of %d entries", e.Files, e.Items)
	}
}

// ParseAnswers reads what AppendAnswers wrote in answer to these portions.
func ParseAnswers(body []byte, asked []Portion) ([]Answer, error) {
	c := wire.Read("read what would become of it", body)
	if n := c.Count("answers", MaxPortions, 1); n != len(asked) && c.Err() == nil {
		c.Fail("answers", "%d to %d directories", n, len(asked))
	}
	out := make([]Answer, 0, len(asked))
	for i := range asked {
		c.Entry(i)
		a := readAnswer(&c, len(asked[i].Items))
		if c.Err() != nil {
			break
		}
		out = append(out, a)
	}
	return wire.Done(&c, out)
}

func readAnswer(c *wire.Reader, items int) (a Answer) {
	if n := c.Count("verdicts", MaxNames, 1); n != items && c.Err() == nil {
		c.Fail("verdicts", "%d on %d items", n, items)
	}
	for range items {
		v := Verdict(c.U8("verdict"))
		if v < New || v > Blocked {
			c.Fail("verdict", "%d is none", uint8(v))
		}
		if c.Err() != nil {
			return a
		}
		a.Verdicts = append(a.Verdicts, v)
	}
	for range c.Count("extras", protocol.MaxBody/smallestExtra, smallestExtra) {
		e := Extra{Name: name(c, "extra", false), Dir: c.Flag("directory")}
		readSum(c, &e)
		if c.Err() != nil {
			return a
		}
		a.Extras = append(a.Extras, e)
	}
	readSum(c, &a.Rest)
	a.Unseen = c.Flag("unseen")
	return a
}

// smallestExtra is how many bytes one takes at least.
const smallestExtra = 5

// SizeOfExtra is how many bytes one takes at most.
func SizeOfExtra(name string) int { return len(name) + 32 }

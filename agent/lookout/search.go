package lookout

import (
	"encoding/binary"
	"path"

	"mft.dev/mft/internal/confine"
	"mft.dev/mft/internal/siphash"
	"mft.dev/mft/trigger"
)

// A Search says where a look goes, and what need not be told.
type Search struct {
	// Paths are below the source, slashes between names, "" for the root.
	Paths []string
	// Deep has a directory stand for all below it that is none, but for what transfers put
	// aside.
	Deep bool
	// Known, if it is not nil, is asked about all that directories of a deep look hold, many
	// parts at once, and answers for each whether nobody wants to hear of it. Before it is
	// asked again, See hears of the files of the parts that are not known, in their order. What
	// lies at Paths itself is in no part, and neither is what cannot be looked at.
	Known func(parts []trigger.Part) (known []bool, err error)
	// Key is that of the hashes of parts.
	Key [16]byte
}

const (
	// PartFiles is how many files a part has; the last of a directory has less.
	PartFiles = 100
	// MaxParts is of how many parts Known is asked at once, at most, and maxAsked of how many
	// files.
	MaxParts = 1000
	maxAsked = 1000
)

// DirHash is the Dir of the parts of a directory below the source, "" for the root.
func DirHash(key siphash.Key, dir string) uint64 {
	low, _ := key.Sum([]byte(dir))
	return low
}

// A gathering is what a look has come to and nobody has heard of.
type gathering struct {
	s   *Search
	see See
	key siphash.Key

	parts []trigger.Part // but for the open one
	files []file         // of the parts, and of the open one
	open  uint32         // how many of files belong to the open part

	dir    string // of the open part
	hash   uint64
	number uint32
	look   []byte // what the open part looks like
}

type file struct {
	dir, name string
	id        confine.Identity
}

func newGathering(s *Search, see See) *gathering {
	return &gathering{s: s, see: see, key: siphash.New(&s.Key)}
}

// enter begins with a directory.
func (g *gathering) enter(dir string) error {
	if err := g.end(); err != nil {
		return err
	}
	g.dir, g.hash, g.number = dir, DirHash(g.key, dir), 0
	return nil
}

// add adds what has a name in the directory.
func (g *gathering) add(name string, id confine.Identity) error {
	if g.s.Known == nil {
		return g.see(path.Join(g.dir, name), id, nil)
	}
	g.files = append(g.files, file{g.dir, name, id})
	g.open++
	g.look = append(binary.AppendUvarint(g.look, uint64(len(name))), name...)
	for _, n := range [...]uint64{uint64(id.Size), uint64(id.MTime), uint64(id.CTime), id.Inode, uint64(id.Mode)} {
		g.look = binary.LittleEndian.AppendUint64(g.look, n)
	}
	if g.open < PartFiles {
		return nil
	}
	return g.end()
}

// end ends the open part.
func (g *gathering) end() error {
	if g.open == 0 {
		return nil
	}
	look, _ := g.key.Sum(g.look)
	g.parts = append(g.parts, trigger.Part{Dir: g.hash, Number: g.number, Look: max(look, 1), Files: g.open})
	g.number++
	g.open, g.look = 0, g.look[:0]
	if len(g.parts) < MaxParts && len(g.files)+PartFiles <= maxAsked {
		return nil
	}
	return g.tell()
}

// tell tells of all there is but for what is known.
func (g *gathering) tell() error {
	if err := g.end(); err != nil || len(g.parts) == 0 {
		return err
	}
	known, err := g.s.Known(g.parts)
	if err != nil {
		return err
	}
	files := g.files
	for i, p := range g.parts {
		for _, f := range files[:p.Files] {
			if known[i] {
				break
			}
			if err := g.see(path.Join(f.dir, f.name), f.id, nil); err != nil {
				return err
			}
		}
		files = files[p.Files:]
	}
	g.parts, g.files = g.parts[:0], g.files[:0]
	return nil
}

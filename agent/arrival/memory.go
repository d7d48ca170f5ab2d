package arrival

import (
	"hash/maphash"
	"path"

	"mft.dev/mft/internal/confine"
	"mft.dev/mft/trigger"
)

// A memory knows how directories looked when all of their files had been sent as they
// were, so that the journal need not be asked again for each file at each scan. It may
// forget anything at any time. A directory is told by a hash of 64 bits under a secret
// key, and so is what it looked like, in parts; that two look the same which are not is
// as good as impossible, also when somebody tries.
type memory struct {
	seed maphash.Seed
	dirs map[uint64][]uint64 // 0 is a part that is not known
}

const (
	// maxMemory bounds the directories of a channel that are remembered.
	maxMemory = 50000
	// partFiles is how many files are looked up together.
	partFiles = 100
)

func newMemory() memory { return memory{maphash.MakeSeed(), map[uint64][]uint64{}} }

// key is that of a directory.
func (m *memory) key(dir string) uint64 { return maphash.String(m.seed, dir) }

// knows reports whether a part of a directory looked like this when all was sent.
func (m *memory) knows(dir string, part int, look uint64) bool {
	parts := m.dirs[m.key(dir)]
	return part < len(parts) && look != 0 && parts[part] == look
}

// keep remembers what a part of a directory looks like in which all was sent, or with 0
// that nobody knows.
func (m *memory) keep(dir string, part int, look uint64) {
	k := m.key(dir)
	parts := m.dirs[k]
	if part >= len(parts) {
		if look == 0 {
			return
		}
		if parts == nil && len(m.dirs) >= maxMemory {
			clear(m.dirs) // of directories that are gone, perhaps
		}
		parts = append(parts, make([]uint64, part+1-len(parts))...)
	}
	parts[part] = look
	m.dirs[k] = parts
}

// forget forgets the directory of a file of which something else is on record now.
func (m *memory) forget(file string) { delete(m.dirs, m.key(path.Dir(file))) }

// A part is files of one directory, in the order in which the system lists them, that
// are looked up together.
type part struct {
	*looking
	dir   string
	n     int // which of the directory
	files []partFile
}

type partFile struct {
	path string
	seen trigger.Sighting
}

// add adds a file, if it is one that moves.
func (t *part) add(p string, id *confine.Identity) error {
	if choice := t.selects(p, id, t.oldest); !choice.Moves {
		return nil
	}
	dir := path.Dir(p)
	if dir != t.dir || len(t.files) >= partFiles {
		if err := t.end(); err != nil {
			return err
		}
		t.n++
	}
	if dir != t.dir {
		t.dir, t.n = dir, 0
	}
	t.files = append(t.files, partFile{p, sighting(id)})
	return nil
}

// end looks at the files of the part.
func (t *part) end() error {
	if len(t.files) == 0 {
		return nil
	}
	files := t.files
	t.files = files[:0]
	look := t.look(files)
	if t.memory.knows(t.dir, t.n, look) {
		return nil
	}
	paths := make([]string, len(files))
	for i, f := range files {
		paths[i] = f.path
	}
	sent, err := t.Journal.SentFrom(t.ctx, t.Channel.Name, paths)
	if err != nil {
		return err
	}
	for _, f := range files {
		choice := trigger.Since(f.seen, nil)
		if last, ok := sent[f.path]; ok {
			was := lastSight(last)
			choice = trigger.Since(f.seen, &was)
		}
		if choice.Moves {
			look = 0
		}
		if err := t.chosen(f.path, f.seen, choice); err != nil {
			return err
		}
	}
	t.memory.keep(t.dir, t.n, look)
	return nil
}

// look is what files look like, never 0.
func (t *part) look(files []partFile) uint64 {
	var h maphash.Hash
	h.SetSeed(t.memory.seed)
	for _, f := range files {
		maphash.WriteComparable(&h, f)
	}
	return max(h.Sum64(), 1)
}

package arrival

import (
	"crypto/rand"
	"path"

	"mft.dev/mft/agent/lookout"
	"mft.dev/mft/internal/confine"
	"mft.dev/mft/internal/siphash"
	"mft.dev/mft/trigger"
)

// A memory knows how the parts of directories looked when nothing in them was to be sent,
// now or later, so that nobody need hear of their files again at each scan. It may
// forget anything at any time. A directory is told by a hash of 64 bits under a secret
// key, and so is what a part of it looked like; that two look the same which are not is
// as good as impossible, also when somebody tries.
type memory struct {
	secret [16]byte
	key    siphash.Key         // of secret
	dirs   map[uint64][]uint64 // 0 is a part that is not known
	parts  int                 // of all directories
}

// What is remembered of a channel at most.
const (
	maxMemory = 50000  // directories
	maxParts  = 500000 // parts of them
)

func newMemory() memory {
	m := memory{dirs: map[uint64][]uint64{}}
	_, _ = rand.Read(m.secret[:]) // it never fails
	m.key = siphash.New(&m.secret)
	return m
}

// knows reports whether a part looked like this when nothing in it was to be sent.
func (m *memory) knows(p trigger.Part) bool {
	parts := m.dirs[p.Dir]
	return int64(p.Number) < int64(len(parts)) && p.Look != 0 && parts[p.Number] == p.Look
}

// keep remembers what a part looks like in which nothing is to be sent, or with a look of 0
// that nobody knows. It is told of the parts of a directory in their order.
func (m *memory) keep(p trigger.Part) {
	parts, is := m.dirs[p.Dir]
	n := int64(p.Number)
	if n == int64(len(parts)) {
		if !is && len(m.dirs) >= maxMemory || m.parts >= maxParts {
			clear(m.dirs) // of directories that are gone, perhaps
			parts, m.parts = nil, 0
		}
		if n == int64(len(parts)) {
			parts = append(parts, 0)
			m.parts++
		}
	}
	if n < int64(len(parts)) {
		parts[p.Number] = p.Look
		m.dirs[p.Dir] = parts
	}
}

// forget forgets the directory of a file of which something else is on record now.
func (m *memory) forget(file string) {
	dir := path.Dir(file)
	if dir == "." {
		dir = ""
	}
	k := lookout.DirHash(m.key, dir)
	m.parts -= len(m.dirs[k])
	delete(m.dirs, k)
}

// A hearing hears of the files of parts that the memory does not know.
type hearing struct {
	*looking
	todo  []trigger.Part // of which the files come now
	left  uint32         // files of the first that have not come
	files []partFile     // of the first that move, whatever was sent
	// passing says that a file of it does not move now and may later.
	passing bool
}

type partFile struct {
	path string
	seen trigger.Sighting
}

// known is lookout.Search.Known.
func (h *hearing) known(parts []trigger.Part) ([]bool, error) {
	if err := h.cut(); err != nil {
		return nil, err
	}
	known := make([]bool, len(parts))
	for i, p := range parts {
		if known[i] = h.memory.knows(p); !known[i] {
			h.todo = append(h.todo, p)
		}
	}
	if len(h.todo) > 0 {
		h.left = h.todo[0].Files
	}
	return known, nil
}

// hear hears of a file of the parts, or of one by itself.
func (h *hearing) hear(p string, id *confine.Identity) error {
	if len(h.todo) == 0 {
		return h.file(p, id)
	}
	switch choice := h.selects(p, id, h.oldest); {
	case choice.Moves:
		h.files = append(h.files, partFile{p, sighting(id)})
	case choice.Why.Passing():
		h.passing = true
	}
	if h.left > 1 {
		h.left--
		return nil
	}
	return h.end()
}

// cut ends what has begun when no more files come, though they should.
func (h *hearing) cut() error {
	if len(h.todo) == 0 {
		return nil
	}
	h.passing = true
	err := h.end()
	h.todo = h.todo[:0]
	return err
}

// end looks at the files of the first part, and goes on to the next.
func (h *hearing) end() error {
	part := h.todo[0]
	moves, err := h.unsent()
	if err != nil {
		return err
	}
	if moves || h.passing {
		part.Look = 0
	}
	h.memory.keep(part)
	h.files, h.passing, h.todo = h.files[:0], false, h.todo[1:]
	if len(h.todo) > 0 {
		h.left = h.todo[0].Files
	}
	return nil
}

// unsent decides about the files, and reports whether there is one to be sent.
func (h *hearing) unsent() (moves bool, err error) {
	if len(h.files) == 0 {
		return false, nil
	}
	paths := make([]string, len(h.files))
	for i, f := range h.files {
		paths[i] = f.path
	}
	sent, err := h.Journal.SentFrom(h.ctx, h.Channel.Name, paths)
	if err != nil {
		return false, err
	}
	for _, f := range h.files {
		choice := trigger.Since(f.seen, nil)
		if last, ok := sent[f.path]; ok {
			was := lastSight(last)
			choice = trigger.Since(f.seen, &was)
		}
		moves = moves || choice.Moves
		if err := h.chosen(f.path, f.seen, choice); err != nil {
			return false, err
		}
	}
	return moves, nil
}

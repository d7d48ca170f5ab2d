package delta

// A Record is the marks of all of a file, and what they were made with.
type Record struct {
	Seed  Seed
	Size  int64 // of the file in bytes, no more than MaxSize
	Marks []byte
}

// Whole reports whether there are as many marks as belong to the file. Those of
// a record that comes from outside may be wrong all the same.
func (r *Record) Whole() bool {
	return r.Size >= 0 && r.Size <= MaxSize && len(r.Marks) == Marks(r.Size, BlockSize(r.Size))
}

// A Marker makes the marks of a content that goes by from its beginning to its
// end, in pieces of any size. It is used by one goroutine at a time.
type Marker struct {
	key    *Key
	record Record
	block  int

	// Of the block that is under way.
	at   int // bytes of it
	acc  uint64
	sum  sum
	part [stripe]byte // of its last stripe, which is not whole
	n    int          // bytes in part

	// Of what is known without looking.
	known []byte // marks of whole blocks that follow
	ahead int    // bytes before these
	skip  int64  // bytes that are in marks
}

// NewMarker returns the marker of a content of size bytes, no more than
// MaxSize. key was made from seed.
func NewMarker(key *Key, seed Seed, size int64) *Marker {
	block := BlockSize(size)
	return &Marker{key: key, block: block, record: Record{Seed: seed, Size: size, Marks: make([]byte, 0, Marks(size, block))}}
}

// Block returns the number of bytes in a block.
func (m *Marker) Block() int { return m.block }

// Copied says that what is written next, old.Length bytes, is that range of an
// old version whose marks were made with the same key and size of block. marks
// are those that are known of it, from its beginning on. Blocks that are blocks
// of the old version too are not looked at then.
func (m *Marker) Copied(old Range, marks []byte) {
	m.known, m.ahead = nil, 0
	block := int64(m.block)
	head := (block - int64(m.at)) % block
	from := old.Offset + head
	if m.skip > 0 || from%block != 0 {
		return
	}
	first := from / block
	n := min((old.Length-head)/block, int64(len(marks)/MarkSize)-first)
	if n > 0 {
		m.known, m.ahead = marks[first*MarkSize:(first+n)*MarkSize], int(head)
	}
}

// Write adds content. It never fails.
func (m *Marker) Write(p []byte) (int, error) {
	written := len(p)
	for len(p) > 0 {
		if len(m.known) > 0 && m.ahead == 0 {
			m.skip = int64(len(m.known)/MarkSize) * int64(m.block)
			m.record.Marks, m.known = append(m.record.Marks, m.known...), nil
		}
		if m.skip > 0 {
			n := min(int64(len(p)), m.skip)
			m.skip, p = m.skip-n, p[n:]
			continue
		}
		n := min(len(p), m.block-m.at)
		m.add(p[:n])
		m.ahead -= min(m.ahead, n)
		p = p[n:]
	}
	return written, nil
}

// add adds what is in one block.
func (m *Marker) add(p []byte) {
	if m.at == 0 {
		m.acc, m.sum = m.length(), sum{}
	}
	m.at += len(p)
	if m.n > 0 {
		k := copy(m.part[m.n:], p)
		m.n, p = m.n+k, p[k:]
		if m.n < stripe {
			m.end()
			return
		}
		m.stripe(m.part[:])
		m.n = 0
	}
	for ; len(p) >= stripe; p = p[stripe:] {
		m.stripe(p[:stripe])
	}
	m.n = copy(m.part[:], p)
	m.end()
}

// length is how many bytes the block that begins has.
func (m *Marker) length() uint64 {
	done := int64(len(m.record.Marks)/MarkSize) * int64(m.block)
	return uint64(min(int64(m.block), m.record.Size-done))
}

func (m *Marker) stripe(p []byte) {
	m.sum.write(p)
	m.acc = m.key.chain(m.acc, p)
}

// end makes the mark of a block that is whole, or the last one.
func (m *Marker) end() {
	if uint64(m.at) < m.length() {
		return
	}
	rest := m.part[:m.n]
	m.sum.write(rest)
	m.record.Marks = appendMark(m.record.Marks, mark{m.sum.mixed() >> sumShift, m.key.spread(m.key.chainRest(m.acc, rest))})
	m.at, m.n = 0, 0
}

// Record returns the marks of the content, or nil if not all of it has gone by.
func (m *Marker) Record() *Record {
	if !m.record.Whole() || m.skip > 0 || m.at > 0 {
		return nil
	}
	return &m.record
}

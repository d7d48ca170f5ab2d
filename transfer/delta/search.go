package delta

import "context"

// How much is searched, in blocks. While little is found nowhere, all offsets
// are looked at. After that it is all offsets of 2 blocks out of 8: whatever is
// as long as these is still found, and then followed backwards. A version that
// has nothing in common with the old one so costs a quarter.
const (
	eager  = 512
	glance = 2
	leap   = 6
)

// Sums that are equal without the blocks being so cost the time for a hash
// each. What may be spent on these is bounded by a number of blocks, and by a
// multiple of what is searched.
const (
	spentBlocks = 64
	spentRate   = 4
)

// A search need not wait for all marks. What stands at one place of a file
// whose beginning grew or shrank stood not far from there: with the marks up to
// so many blocks beyond, near is looked at first. What came from farther away is
// not seen by that, and travels if something is found behind it, so there is an
// end to it: a file may lose haste blocks in this way.
const (
	near  = 512
	haste = 64
)

// A hunt is one search.
type hunt struct {
	from           int64
	spent, scanned int64 // bytes
}

// search returns the first place at pos or behind that begins with any whole
// block of the old version, or the end of the new one. The versions were equal
// up to pos and old.
func (m *Matcher) search(ctx context.Context, pos, old int64) (place, error) {
	nowhere := place{new: m.new.End()}
	blocks := int(m.sig.old.Length >> m.log)
	last := m.new.End() - int64(m.sig.block)
	if m.weary || blocks == 0 || pos > last {
		return nowhere, nil
	}
	if !m.indexed {
		m.index.open(blocks)
		m.indexed = true
	}
	h := hunt{from: pos}
	if x, err := m.nearby(ctx, &h, old, last); err != nil || x.length > 0 {
		return x, err
	}
	if err := m.know(ctx, blocks); err != nil {
		return place{}, err
	}
	stretch := int64(eager) << m.log
	for pos <= last && !m.weary {
		to := min(pos+stretch, last)
		x, err := m.scan(ctx, &h, pos, to)
		if err != nil {
			return place{}, err
		}
		if x.length > 0 {
			return m.backwards(ctx, x, h.from)
		}
		stretch = glance << m.log
		pos = to + 1 + leap<<m.log
	}
	return nowhere, nil
}

// nearby searches with the marks that are known soon, as far as the file has
// haste left.
func (m *Matcher) nearby(ctx context.Context, h *hunt, old, last int64) (place, error) {
	known := int((old-m.sig.old.Offset)>>m.log) + near
	if m.haste <= 0 || max(known, m.index.blocks) >= int(m.sig.old.Length>>m.log) {
		return place{}, nil
	}
	if err := m.know(ctx, known); err != nil {
		return place{}, err
	}
	x, err := m.scan(ctx, h, h.from, min(h.from+m.haste, last))
	if x.length > 0 {
		m.haste -= x.new - h.from
	}
	return x, err
}

// know has the first so many blocks in the index, once their marks have
// arrived.
func (m *Matcher) know(ctx context.Context, blocks int) error {
	if _, err := m.mark(ctx, blocks-1); err != nil {
		return err
	}
	m.index.extend(m.marks, blocks)
	return nil
}

// scan looks for a block of the old version at all offsets from pos to last.
func (m *Matcher) scan(ctx context.Context, h *hunt, pos, last int64) (place, error) {
	block := m.sig.block
	p, err := m.win.at(ctx, pos, block, block)
	if err != nil {
		return place{}, err
	}
	var s sum
	s.write(p)
	if x := m.look(h, pos, p, s); x.length > 0 {
		return x, nil
	}
	for pos < last && !m.weary {
		if p, err = m.win.at(ctx, pos, block+1, int(min(last-pos, readSize))+block); err != nil {
			return place{}, err
		}
		for outs, ins := p[:len(p)-block], p[block:]; len(outs) > 0 && !m.weary; {
			n, hit := s.roll(outs, ins, uint64(block), &m.index.filter)
			pos += int64(n)
			h.scanned += int64(n)
			p, outs, ins = p[n:], outs[n:], ins[n:]
			if !hit {
				break
			}
			if x := m.look(h, pos, p[:block], s); x.length > 0 {
				return x, nil
			}
		}
	}
	return place{}, nil
}

// look returns the place that begins at pos with p, which has the sum s. When
// there are several of the same content, it is the one at the same offset.
func (m *Matcher) look(h *hunt, pos int64, p []byte, s sum) place {
	rolled := s.mixed() >> sumShift
	i, hashed, found := m.index.find(m.marks, m.key, rolled, p)
	if !found {
		if hashed {
			h.spent += int64(len(p))
			m.weary = h.spent > spentBlocks*int64(len(p))+spentRate*h.scanned
		}
		return place{}
	}
	x := place{pos, m.sig.old.Offset + int64(i)<<m.log, int64(len(p))}
	here := pos - m.sig.old.Offset
	if j := int(here >> m.log); here >= 0 && here&(1<<m.log-1) == 0 && j < int(m.sig.old.Length>>m.log) {
		if readMark(m.marks[j*MarkSize:]) == readMark(m.marks[i*MarkSize:]) {
			x.old = pos
		}
	}
	return x
}

// backwards returns the place that x is the end of, when offsets before it
// were left out.
func (m *Matcher) backwards(ctx context.Context, x place, from int64) (place, error) {
	block := int64(m.sig.block)
	if x.new-from <= eager<<m.log {
		return x, nil
	}
	for x.new-block >= from && x.old-block >= m.sig.old.Offset {
		n, err := m.same(ctx, x.new-block, x.old-block)
		if err != nil || n == 0 {
			return x, err
		}
		x = place{x.new - block, x.old - block, x.length + block}
	}
	return x, nil
}

package marks

import (
	"encoding/binary"
	"errors"
	"fmt"

	"mft.dev/mft"
	"mft.dev/mft/internal/blake3"
	"mft.dev/mft/transfer/delta"
)

// A Sent is the version of a file that a transfer brought to a place at a peer,
// as its sender remembers it. A store has either these or what Keep keeps.
type Sent struct {
	Transfer mft.TransferID
	Digest   mft.Digest
	// Failed counts how often in a row what was remembered of the place was of no
	// use, and Rest how many transfers are still to go without it.
	Failed, Rest uint8
	// Record is without marks when it is of no use.
	Record delta.Record
}

// The form of a file: the magic; the transfer, the digest, Failed, Rest, the
// seed; then, little endian, the size in 8 bytes, the length of the place in 4
// and the place; the marks, and the digest of everything before.
const (
	sentMagic  = "mft sent 1\n"
	sentFields = len(mft.TransferID{}) + len(mft.Digest{}) + 2 + len(delta.Seed{}) + 8 + 4
	sentAt     = len(sentMagic) + sentFields
)

func encodeSent(place string, s *Sent) []byte {
	b := make([]byte, 0, sentAt+len(place)+len(s.Record.Marks)+32)
	b = append(b, sentMagic...)
	b = append(b, s.Transfer[:]...)
	b = append(b, s.Digest[:]...)
	b = append(b, s.Failed, s.Rest)
	b = append(b, s.Record.Seed[:]...)
	b = binary.LittleEndian.AppendUint64(b, uint64(s.Record.Size))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(place)))
	b = append(b, place...)
	return sealed(append(b, s.Record.Marks...))
}

// parseSent returns what b says of a place.
func parseSent(b []byte, place string) (*Sent, error) {
	end := len(b) - 32
	if end < sentAt || string(b[:len(sentMagic)]) != sentMagic {
		return nil, errors.New("it is of another form")
	}
	if blake3.Sum(b[:end]) != [32]byte(b[end:]) {
		return nil, errors.New("it was not written whole, or was damaged")
	}
	s := &Sent{}
	p := b[len(sentMagic):end:end]
	p = p[copy(s.Transfer[:], p):]
	p = p[copy(s.Digest[:], p):]
	s.Failed, s.Rest, p = p[0], p[1], p[2:]
	p = p[copy(s.Record.Seed[:], p):]
	s.Record.Size = int64(binary.LittleEndian.Uint64(p))
	n := int64(binary.LittleEndian.Uint32(p[8:]))
	if p = p[12:]; n > int64(len(p)) || string(p[:n]) != place {
		return nil, errors.New("it is of another place")
	}
	if s.Record.Marks = p[n:]; len(s.Record.Marks) > 0 && !s.Record.Whole() {
		return nil, fmt.Errorf("%d bytes of marks do not belong to a file of %d", len(s.Record.Marks), s.Record.Size)
	}
	return s, nil
}

// FindSent returns what was sent to a place last, nil when that is not known.
// What can be of no use any more is removed.
func (s *Store) FindSent(place string) *Sent {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found *Sent
	s.find(place, func(content []byte) (err error) {
		found, err = parseSent(content, place)
		return err
	})
	return found
}

// KeepSent remembers what was sent to a place, instead of what was before.
func (s *Store) KeepSent(place string, sent *Sent) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ready() {
		return
	}
	if err := s.keep(nameOf(place), encodeSent(place, sent)); err != nil {
		s.log.Warn("cannot remember what was sent", "place", place, "err", err)
	}
}

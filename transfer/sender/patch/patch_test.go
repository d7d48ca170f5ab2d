package patch

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"mft.dev/mft"
	"mft.dev/mft/protocol"
	"mft.dev/mft/protocol/patch"
	"mft.dev/mft/transfer"
	"mft.dev/mft/transfer/delta"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func want(i uint64, old int64) *protocol.Want {
	return &protocol.Want{First: i, Count: 1, Verdict: protocol.Delta, Old: old}
}

func marks(i uint64, n int) []byte {
	return patch.AppendMarks(nil, &patch.Marks{Index: i, Bytes: make([]byte, n)})
}

func TestHostileBook(t *testing.T) {
	const size = 1 << 20
	all := delta.Marks(size, delta.BlockSize(size))
	tests := []struct {
		name string
		do   func(b *Book) error
		code mft.Code
	}{
		{"all marks", func(b *Book) error { return b.Marks(marks(1, all)) }, mft.CodeOK},
		{"marks beyond the end", func(b *Book) error { return b.Marks(marks(1, all+1)) }, mft.CodeProtocol},
		{"marks without end", func(b *Book) (err error) {
			for err == nil {
				err = b.Marks(marks(1, 100))
			}
			return err
		}, mft.CodeProtocol},
		{"marks of a file that has ended", func(b *Book) error {
			b.Done(1)
			return b.Marks(marks(1, all+1))
		}, mft.CodeOK},
		{"marks of nothing", func(b *Book) error { return b.Marks(nil) }, mft.CodeProtocol},
		{"an old version that is too large", func(b *Book) error { return b.Want(want(2, delta.MaxSize+1)) }, mft.CodeProtocol},
		{"too many files", func(b *Book) (err error) {
			for i := uint64(2); err == nil; i++ {
				err = b.Want(want(i, 1<<40))
			}
			return err
		}, mft.CodeProtocol},
		{"an answer to nothing", func(b *Book) error { return b.Fine(nil) }, mft.CodeProtocol},
		{"an answer of another length", func(b *Book) error {
			b.ask(20)
			return b.Fine(make([]byte, 10))
		}, mft.CodeProtocol},
		{"an answer too many", func(b *Book) error {
			b.ask(20)
			return errors.Join(b.Fine(make([]byte, 20)), b.Fine(make([]byte, 20)))
		}, mft.CodeProtocol},
		{"an answer without marks", func(b *Book) error {
			b.ask(20)
			return b.Fine(nil)
		}, mft.CodeOK},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := NewBook()
			if err := b.Want(want(1, size)); err != nil {
				t.Fatal(err)
			}
			if got := mft.CodeOf(tt.do(b)); got != tt.code {
				t.Errorf("code = %s, want %s", got, tt.code)
			}
		})
	}
}

func TestAskIsBounded(t *testing.T) {
	b := NewBook()
	for range protocol.AskWindow {
		if b.ask(10) == nil {
			t.Fatal("too few questions")
		}
	}
	if b.ask(10) != nil {
		t.Error("a question too many")
	}
}

// receiver is a Line whose other end has an old version. It answers questions
// as the answers say, and rebuilds the file.
type receiver struct {
	mu     sync.Mutex
	book   *Book
	key    *delta.Key
	old    []byte
	answer func(marks []byte) []byte
	kept   [][]byte // questions that were gathered
	got    []byte
	data   int
	moved  int64
	hash   transfer.Hash
}

func (r *receiver) Moved(n int64) { r.moved += n }

// Gather keeps questions back until Flush: whoever waits for the answer must
// have called it.
func (r *receiver) Gather(kind protocol.FrameKind, payload []byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if kind == protocol.FrameAsk {
		r.kept = append(r.kept, bytes.Clone(payload))
		return nil
	}
	return r.take(kind, payload)
}

func (r *receiver) Flush() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, payload := range r.kept {
		if err := r.take(protocol.FrameAsk, payload); err != nil {
			return err
		}
	}
	r.kept = nil
	return nil
}

func (r *receiver) take(kind protocol.FrameKind, payload []byte) error {
	was := len(r.got)
	switch kind {
	case protocol.FrameAsk:
		a, err := patch.ParseAsk(payload)
		if err != nil {
			return err
		}
		o := delta.Range(a.Range)
		fine := delta.FineSize(delta.BlockSize(int64(len(r.old))))
		return r.book.Fine(r.answer(r.key.AppendMarks(nil, fine, r.old[o.Offset:o.End()])))
	case protocol.FrameCopy:
		o, err := patch.ParseCopy(payload)
		if err != nil {
			return err
		}
		r.got = append(r.got, r.old[o.Offset:o.Offset+o.Length]...)
	case protocol.FrameHole:
		n, err := protocol.ParseHole(payload)
		if err != nil {
			return err
		}
		r.got = append(r.got, make([]byte, n)...)
	case protocol.FrameData:
		r.data += len(payload)
		r.got = append(r.got, payload...)
	case protocol.FrameCheck:
		if r.hash.Sum() != mft.Digest(payload) {
			return errors.New("a CHECK does not fit what came before")
		}
	}
	r.hash.Write(r.got[was:])
	return nil
}

func TestSend(t *testing.T) {
	old := make([]byte, 18<<20)
	for i := range old {
		old[i] = byte(i * i >> 9 * (i >> 14))
	}
	now := bytes.Clone(old)
	for i := 1 << 20; i < len(now); i += 3 << 20 {
		copy(now[i:], "another content")
	}
	keep := func(m []byte) []byte { return m }
	tests := []struct {
		name   string
		offset int64
		answer func([]byte) []byte
		most   int // of data
	}{
		{"from the beginning", 0, keep, 16 * (4 << 10)},
		{"from the middle of a block", 17<<20 + 5, keep, 16 * (4 << 10)},
		{"without answers", 0, func([]byte) []byte { return nil }, 16 * (64 << 10)},
		{"with wrong answers", 0, func(m []byte) []byte { return make([]byte, len(m)) }, 16 * (64 << 10)},
	}
	p := filepath.Join(t.TempDir(), "now")
	if err := os.WriteFile(p, now, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(p)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, p := begin(t, old, tt.answer)
			r.got = bytes.Clone(now[:tt.offset])
			r.hash.Write(r.got)
			file := File{File: f, Path: "now", Size: int64(len(now)), Offset: tt.offset, Hash: transfer.NewHash(), Unchanged: func() error { return nil }}
			file.Hash.Write(now[:tt.offset])
			digest, err := p.Send(t.Context(), file, r)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(r.got, now) || digest != protocol.HashOf(now) {
				t.Error("what was rebuilt is not the new version, or has another digest")
			}
			if r.data > tt.most {
				t.Errorf("%d bytes were sent as they are, want at most %d", r.data, tt.most)
			}
			if want := int64(len(now)) - tt.offset; r.moved != want {
				t.Errorf("%d bytes were counted, want %d", r.moved, want)
			}
		})
	}
}

// begin returns a receiver that has all marks of old sent.
func begin(t *testing.T, old []byte, answer func([]byte) []byte) (*receiver, *Patch) {
	t.Helper()
	book := NewBook()
	if err := book.Want(want(1, int64(len(old)))); err != nil {
		t.Fatal(err)
	}
	key := delta.NewKey(delta.Seed{})
	m := patch.Marks{Index: 1, Bytes: key.AppendMarks(nil, delta.BlockSize(int64(len(old))), old)}
	if err := book.Marks(patch.AppendMarks(nil, &m)); err != nil {
		t.Fatal(err)
	}
	return &receiver{book: book, key: key, old: old, answer: answer, hash: transfer.NewHash()}, book.Find(1)
}

func TestSendFails(t *testing.T) {
	old := bytes.Repeat([]byte("0123456789abcdef"), 2<<16)
	p := filepath.Join(t.TempDir(), "now")
	if err := os.WriteFile(p, old, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(p)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	changed := errors.New("changed")
	stopped, stop := context.WithCancel(t.Context())
	stop()
	size := int64(len(old))
	tests := []struct {
		name      string
		ctx       context.Context
		size      int64
		unchanged error
		want      error
	}{
		{"the file is shorter", t.Context(), size + 1, nil, io.ErrUnexpectedEOF},
		{"the file changed", t.Context(), size, changed, changed},
		{"interrupted", stopped, size, nil, context.Canceled},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, p := begin(t, old, func(m []byte) []byte { return m })
			file := File{File: f, Path: "now", Size: tt.size, Hash: transfer.NewHash(), Unchanged: func() error { return tt.unchanged }}
			if _, err := p.Send(tt.ctx, file, r); !errors.Is(err, tt.want) {
				t.Errorf("Send = %v, want %v", err, tt.want)
			}
		})
	}
}

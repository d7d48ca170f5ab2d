package recall

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"testing"

	"mft.dev/mft"
	"mft.dev/mft/protocol"
	"mft.dev/mft/transfer/delta"
)

const size = 3<<20 + 5

var file = mft.Item{Path: "d/f", Type: mft.ItemFile, Size: size}

func content(seed byte) []byte {
	b := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{seed}).Read(b)
	return b
}

// state is what is known of a transfer.
type state uint8

const (
	open state = iota
	done
	failed
	unreadable
)

// a world has a memory and the states of transfers.
type world struct {
	t      *testing.T
	dir    string
	memory *Memory
	states map[mft.TransferID]state
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, dir: t.TempDir(), states: map[mft.TransferID]state{}}
	w.restart()
	return w
}

func (w *world) restart() {
	is := func(want state) func(context.Context, mft.TransferID) (bool, error) {
		return func(_ context.Context, id mft.TransferID) (bool, error) {
			if w.states[id] == unreadable {
				return false, errors.New("the journal cannot be read")
			}
			return w.states[id] == want, nil
		}
	}
	w.memory = Open(Config{Dir: w.dir, Delivered: is(done), Open: is(open), Log: slog.New(slog.DiscardHandler)})
}

func (w *world) at(transfer byte) *Recall {
	return w.memory.For(w.t.Context(), &mft.Offer{Transfer: mft.TransferID{transfer}, Recipient: "beta", Destination: "/in/"})
}

// send sends a version by a transfer, which ends in a state.
func (w *world) send(transfer, version byte, to state, plan func(r *Recall)) {
	w.t.Helper()
	r := w.at(transfer)
	plan(r)
	v := r.Watch(&file)
	b := content(version)
	_, _ = v.Write(b[:1000]) // an attempt that went wrong
	v.Reset()
	_, _ = v.Write(b)
	v.Passed(protocol.HashOf(b))
	w.states[mft.TransferID{transfer}] = to
}

func find(r *Recall) { r.Find(&file) }

// knows fails unless a transfer finds a version, 0 for none.
func (w *world) knows(transfer, version byte) {
	w.t.Helper()
	got, digest := w.at(transfer).Find(&file)
	switch {
	case version == 0 && got != nil:
		w.t.Errorf("transfer %d finds %v, want nothing", transfer, digest)
	case version > 0 && got == nil:
		w.t.Errorf("transfer %d finds nothing, want version %d", transfer, version)
	case version > 0:
		b := content(version)
		want := delta.NewKey(got.Seed).AppendMarks(nil, delta.BlockSize(size), b)
		if digest != protocol.HashOf(b) || got.Size != size || !bytes.Equal(got.Marks, want) {
			w.t.Errorf("transfer %d finds %v, want the marks of version %d", transfer, digest, version)
		}
	}
}

func TestFind(t *testing.T) {
	w := newWorld(t)
	w.knows(1, 0)
	w.send(1, 1, open, find)
	w.knows(1, 0) // its own does not count
	w.knows(2, 0) // nor one that is under way
	w.states[mft.TransferID{1}] = done
	w.restart()
	w.knows(2, 1)
	w.send(2, 2, open, find)
	w.restart()
	w.knows(2, 1) // it goes on as it began
	w.knows(3, 0) // who knows which is there
	w.states[mft.TransferID{2}] = unreadable
	w.knows(3, 0)
	w.states[mft.TransferID{2}] = failed
	w.knows(3, 1)
	w.send(4, 4, done, find)
	w.knows(5, 4)
	if got, _ := w.memory.For(t.Context(), &mft.Offer{Transfer: mft.TransferID{5}, Recipient: "gamma", Destination: "/in/"}).Find(&file); got != nil {
		t.Error("another peer has it too")
	}
}

// TestUseless: what was of no use is not found again; what follows is, and later
// each time that is of no use either.
func TestUseless(t *testing.T) {
	w := newWorld(t)
	w.send(1, 1, done, find)
	next := byte(2)
	for _, rest := range []int{0, 1, 3, 7, 15} {
		w.knows(next, next-1)
		for range 2 { // two attempts
			w.send(next, next, open, func(r *Recall) { r.Useless(&file) })
			w.knows(next, 0)
		}
		w.states[mft.TransferID{next}] = done
		for range rest {
			next++
			w.knows(next, 0)
			w.send(next, next, done, find)
		}
		next++
	}
	w.knows(next, next-1)
	w.send(next, next, done, find) // that was of use
	w.send(next+1, next+1, done, func(r *Recall) { r.Useless(&file) })
	w.knows(next+2, next+1)
}

func TestWatch(t *testing.T) {
	w := newWorld(t)
	small := mft.Item{Path: "small", Type: mft.ItemFile, Size: 1 << 19}
	if w.at(1).Watch(&small) != nil {
		t.Error("a small file is remembered")
	}
	v := w.at(1).Watch(&file)
	_, _ = v.Write(content(1)[:size-1])
	v.Passed(mft.Digest{1})
	w.states[mft.TransferID{1}] = done
	w.knows(2, 0) // it was not all
}

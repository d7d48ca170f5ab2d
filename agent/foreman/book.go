package foreman

import (
	"context"
	"errors"
	"strings"

	"mft.dev/mft"
	"mft.dev/mft/agent/worker/errand"
	"mft.dev/mft/journal/batch"
	"mft.dev/mft/protocol"
)

// pageOf is how much of a list of keys is told at once.
const pageOf = batch.KeySize * 64 << 10

// journal does what the worker asks of the journal, for its own transfer.
func (d *desk) journal(ctx context.Context, s *errand.Said) (any, error) {
	if d.ledger == nil {
		return nil, errNotHere
	}
	switch s.Kind {
	case errand.KindRead:
		return d.ledger.Read(ctx)
	case errand.KindCommitted:
		var c errand.Committed
		if err := s.Parse(&c); err != nil {
			return nil, err
		}
		return d.keys(ctx, c.From)
	case errand.KindPrepare:
		var p errand.Prepare
		if err := s.Parse(&p); err != nil {
			return nil, err
		}
		n, err := d.ledger.Prepare(ctx, p.Entries)
		return errand.Prepared{Batch: n}, err
	case errand.KindApply:
		var c errand.Change
		if err := s.Parse(&c); err != nil {
			return nil, err
		}
		err := d.ledger.Apply(ctx, c)
		if err == nil && c.Receipt != nil {
			d.mu.Lock()
			d.receipt = protocol.AppendReceipt(nil, c.Receipt)
			d.mu.Unlock()
		}
		return nil, err
	}
	return nil, errNotHere
}

// keys returns a page of the keys of what was committed.
func (d *desk) keys(ctx context.Context, from int) (errand.Keys, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if from == 0 {
		d.committed = nil
		err := d.ledger.Committed(ctx, func(key [16]byte, digest mft.Digest) error {
			d.committed = append(append(d.committed, key[:]...), digest[:]...)
			return nil
		})
		if err != nil {
			return errand.Keys{}, err
		}
	}
	have := len(d.committed) / batch.KeySize
	if from < 0 || from >= have {
		d.committed = nil
		return errand.Keys{}, nil
	}
	page := d.committed[from*batch.KeySize:]
	return errand.Keys{Keys: page[:min(len(page), pageOf)]}, nil
}

// remember asks the memory of marks, or tells it.
func (d *desk) remember(s *errand.Said) (any, error) {
	switch s.Kind {
	case errand.KindRecall:
		var r errand.Recall
		if err := errors.Join(s.Parse(&r), d.remembers(r.Path)); err != nil {
			return nil, err
		}
		return errand.Marks{Record: d.memory.Find(r.Path, r.Identity)}, nil
	case errand.KindKeep:
		var k errand.Keep
		if err := errors.Join(s.Parse(&k), d.remembers(k.Path)); err != nil {
			return nil, err
		}
		if k.Record == nil || !k.Record.Whole() {
			return nil, errNotHere
		}
		d.memory.Keep(k.Path, k.Identity, k.Record)
		return nil, nil
	}
	var f errand.Forget
	if err := errors.Join(s.Parse(&f), d.remembers(f.Path)); err != nil {
		return nil, err
	}
	return nil, d.memory.Forget(f.Path)
}

// remembers says why the worker may not ask about a file.
func (d *desk) remembers(path string) error {
	if d.memory == nil || !strings.HasPrefix(path, strings.TrimSuffix(d.root, "/")+"/") {
		return errNotHere
	}
	return nil
}

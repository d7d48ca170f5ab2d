package worker

import (
	"context"

	"mft.dev/mft"
	"mft.dev/mft/agent/worker/errand"
	"mft.dev/mft/internal/confine"
	"mft.dev/mft/journal"
	"mft.dev/mft/journal/batch"
	"mft.dev/mft/journal/ledger"
	"mft.dev/mft/transfer/delta"
)

// A book is the ledger of an errand's transfer, in the journal of the agent. It
// implements transfer.Ledger.
type book struct{ port *errand.Port }

func (b book) Read(ctx context.Context) (s ledger.State, err error) {
	_, err = b.port.Ask(ctx, errand.KindRead, nil, &s)
	return s, err
}

func (b book) Committed(ctx context.Context, f func(key [16]byte, d mft.Digest) error) error {
	for from := 0; ; {
		var page errand.Keys
		if _, err := b.port.Ask(ctx, errand.KindCommitted, errand.Committed{From: from}, &page); err != nil {
			return err
		}
		if len(page.Keys) < batch.KeySize {
			return nil
		}
		for keys := page.Keys; len(keys) >= batch.KeySize; keys = keys[batch.KeySize:] {
			var key [16]byte
			var d mft.Digest
			copy(d[:], keys[copy(key[:], keys):])
			if err := f(key, d); err != nil {
				return err
			}
			from++
		}
	}
}

func (b book) Prepare(ctx context.Context, entries []journal.Entry) (int64, error) {
	var done errand.Prepared
	_, err := b.port.Ask(ctx, errand.KindPrepare, errand.Prepare{Entries: entries}, &done)
	return done.Batch, err
}

func (b book) Apply(ctx context.Context, c ledger.Change) error {
	_, err := b.port.Ask(ctx, errand.KindApply, c, nil)
	return err
}

// A memory is that of the agent. It implements remember.Memory.
type memory struct {
	port *errand.Port
	ctx  context.Context //nolint:containedctx // of one errand
}

func (m memory) Find(path string, id confine.Identity) *delta.Record {
	var found errand.Marks
	if _, err := m.port.Ask(m.ctx, errand.KindRecall, errand.Recall{Path: path, Identity: id}, &found); err != nil {
		return nil // it is a hint
	}
	return found.Record
}

func (m memory) Keep(path string, id confine.Identity, r *delta.Record) {
	// Nobody waits for it, and what is not kept is made again.
	_, _ = m.port.Ask(m.ctx, errand.KindKeep, errand.Keep{Path: path, Identity: id, Record: r}, nil)
}

func (m memory) Forget(path string) error {
	_, err := m.port.Ask(m.ctx, errand.KindForget, errand.Forget{Path: path}, nil)
	return err
}

// held is a ledger whose landing is one that was found to be allowed: what the agent
// says of it later does not count.
type held struct {
	book
	landing journal.Landing
}

func (h held) Read(ctx context.Context) (ledger.State, error) {
	s, err := h.book.Read(ctx)
	s.Landing = h.landing
	return s, err
}

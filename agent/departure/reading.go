package departure

import (
	"sync"

	"mft.dev/mft"
	"mft.dev/mft/internal/confine"
	"mft.dev/mft/journal"
	"mft.dev/mft/journal/leaving"
)

// A Reading is what one attempt at a transfer has read of the source. It is safe for
// concurrent use.
type Reading struct {
	id mft.TransferID

	mu    sync.Mutex // guards files
	files []leaving.File
}

// NewReading returns the reading of a transfer.
func NewReading(id mft.TransferID) *Reading { return &Reading{id: id} }

// Took is the Took of sender.Outgoing.
func (r *Reading) Took(rel string, id confine.Identity) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.files = append(r.files, leaving.File{Path: []byte(rel), Size: id.Size, MTime: id.MTime, CTime: id.CTime, Inode: id.Inode})
}

// Keep is the Read of trail.Conversation.
func (r *Reading) Keep(tx *journal.Tx) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.files) == 0 { // an attempt that only hears what became of an earlier one
		return nil
	}
	return leaving.Read(tx.Leaving(), r.id, r.files)
}

package staging

import (
	"os"
	"time"

	"mft.dev/mft/journal"
)

// Bounds of a batch. A batch is Ripe when it has batchItems or batchBytes, or
// is older than BatchAge, and Full at twice the bounds.
const (
	batchItems = 2048
	batchBytes = 64 << 20
	// BatchAge is how long an item waits for others at most.
	BatchAge = 100 * time.Millisecond
	// fewFiles are flushed one by one; for more, the whole file system is.
	fewFiles = 16
	// fewDirs are synced one by one.
	fewDirs = 8
)

// An Item is staged and ready to be committed.
type Item struct {
	// Index is the caller's.
	Index uint64
	// Size is that of its content in bytes.
	Size int64
	// File is the temporary file, still open, if there is one.
	File *os.File
	// Entry is what the journal is told; nil for what was there already, or is
	// published with the directory above it.
	Entry *journal.Entry
}

// temp is the temporary name, empty if there is none.
func (it *Item) temp() string {
	if it.Entry == nil {
		return ""
	}
	return it.Entry.Temp
}

func (it *Item) close() {
	if it.File != nil {
		it.File.Close()
		it.File = nil
	}
}

// A Batch collects items that are committed together. The zero value is empty.
// It is not safe for concurrent use.
type Batch struct {
	items []Item
	files int
	bytes int64
	since time.Time
}

// Add puts an item into a batch of this area. The batch closes its file.
func (a *Area) Add(b *Batch, it Item) {
	if len(b.items) == 0 {
		b.since = time.Now()
	}
	b.bytes += it.Size
	b.items = append(b.items, it)
	if it.File == nil {
		return
	}
	b.files++
	switch {
	case b.files == fewFiles+1:
		// Too many to be flushed one by one: none needs to stay open, unless
		// it is on another file system.
		for i := range b.items {
			a.release(&b.items[i])
		}
	case b.files > fewFiles:
		a.release(&b.items[len(b.items)-1])
	}
}

// Len is how many items there are.
func (b *Batch) Len() int { return len(b.items) }

// Grown reports whether the batch is large enough to be committed.
func (b *Batch) Grown() bool { return len(b.items) >= batchItems || b.bytes >= batchBytes }

// Ripe reports whether the batch should be committed now: it is large or old
// enough.
func (b *Batch) Ripe() bool {
	return b.Grown() || len(b.items) > 0 && time.Since(b.since) >= BatchAge
}

// Full reports whether nothing should be added before it has been committed.
func (b *Batch) Full() bool { return len(b.items) >= 2*batchItems || b.bytes >= 2*batchBytes }

// Close closes the files of items that will not be committed. What is staged
// stays, until the staging directory is cleared.
func (b *Batch) Close() {
	for i := range b.items {
		b.items[i].close()
	}
	*b = Batch{}
}

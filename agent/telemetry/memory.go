package telemetry

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"sync"
	"time"

	"github.com/google/uuid"

	"mft.dev/mft/agent/telemetry/tally"
	"mft.dev/mft/internal/durable"
)

// A place is where a stream is in the journal.
type place struct {
	Cursor  int64 `json:"cursor"` // the newest event that need not be sent again
	Sent    int64 `json:"sent"`   // events
	Dropped int64 `json:"dropped,omitempty"`
}

// A memory is what survives a restart: one small file, replaced whole. It is
// written every now and then only, for a flush costs transfers time; what it
// forgets in a crash is sent twice, and never left out.
type memory struct {
	path string

	saving sync.Mutex // held while the file is written; taken before mu

	mu    sync.Mutex // guards what follows
	dirty bool
	kept  kept
}

// kept is the content of the file.
type kept struct {
	Version  int               `json:"version"`
	Instance string            `json:"instance"`
	Places   map[string]*place `json:"places"`
	Counted  int64             `json:"counted"` // the cursor of Tally
	Tally    tally.Tally       `json:"tally"`
}

// maxMemory bounds the file: 200 series of some ten metrics, and names of
// channels that are as long as they may be.
const maxMemory = 4 << 20

// recall reads the file, or begins one that knows nothing but newest, the end
// of the journal. The error says why what was there is not used.
func recall(path string, newest int64, now time.Time) (*memory, error) {
	m := &memory{path: path}
	err := m.read()
	if err != nil || m.kept.Instance == "" {
		m.kept = kept{Version: 1, Instance: uuid.NewString(), Counted: newest, Tally: tally.Tally{Start: now}}
		m.dirty = true
	}
	if m.kept.Places == nil {
		m.kept.Places = map[string]*place{}
	}
	if m.kept.Counted > newest { // another journal
		m.kept.Counted = 0
	}
	return m, err
}

var errMemory = errors.New("it is not of this version of mft, or damaged")

func (m *memory) read() error {
	info, err := os.Stat(m.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Size() > maxMemory {
		return errMemory
	}
	content, err := os.ReadFile(m.path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(content, &m.kept); err != nil || m.kept.Version != 1 || m.kept.Tally.Start.IsZero() || !m.kept.Tally.Sound() {
		m.kept = kept{}
		return errMemory
	}
	for name, p := range m.kept.Places {
		if p == nil || p.Cursor < 0 {
			delete(m.kept.Places, name)
		}
	}
	return nil
}

// open returns the place of a stream. One that is new begins at newest: what
// happened before somebody wanted to be told is history.
func (m *memory) open(stream string, newest int64) place {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.kept.Places[stream]
	if p == nil {
		p = &place{Cursor: newest}
		m.kept.Places[stream] = p
		m.dirty = true
	}
	if p.Cursor > newest { // another journal
		p.Cursor = 0
	}
	return *p
}

// advance notes that a stream is done with everything up to cursor.
func (m *memory) advance(stream string, cursor, sent, dropped int64) place {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.kept.Places[stream]
	p.Cursor = max(p.Cursor, cursor)
	p.Sent += sent
	p.Dropped += dropped
	m.kept.Tally.Drop(stream, dropped)
	m.dirty = true
	return *p
}

// count has the tally changed together with its cursor.
func (m *memory) count(cursor int64, f func(*tally.Tally)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f(&m.kept.Tally)
	m.kept.Counted = max(m.kept.Counted, cursor)
	m.dirty = true
}

// sums has the tally read.
func (m *memory) sums(f func(*tally.Tally)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f(&m.kept.Tally)
}

// counted returns the cursor of the tally.
func (m *memory) counted() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.kept.Counted
}

// instance returns the id of this agent's data directory.
func (m *memory) instance() string { return m.kept.Instance } // never changes

// save writes what has changed.
func (m *memory) save() error {
	m.saving.Lock()
	defer m.saving.Unlock()
	m.mu.Lock()
	if !m.dirty {
		m.mu.Unlock()
		return nil
	}
	content, err := json.Marshal(&m.kept)
	m.dirty = false
	m.mu.Unlock()
	if err == nil {
		err = durable.WriteFile(m.path, content, 0o600)
	}
	if err != nil {
		m.mu.Lock()
		m.dirty = true
		m.mu.Unlock()
	}
	return err
}

// Package telemetry tells collectors what happens to transfers: one of
// OpenTelemetry, Application Insights, or both.
//
//	t := telemetry.New(telemetry.Config{Section: cfg.Telemetry, …}) // nil without a section
//	t.Follow(journal)
//	go t.Run(ctx)
//
// An [Exporter] follows the events in the journal, each kind of telemetry with a
// cursor of its own that survives a restart. What cannot be sent now stays where
// it is, in the journal, and follows later: nothing is held in memory but one
// batch, nothing is lost while the journal has it, and whatever is dropped
// after all is counted. A collector may be told something twice, with the same
// ids.
//
// The package refuses to hold up a transfer: it reads the journal as anybody
// may, writes nothing there, and its failures are shown and are nobody's error.
// All methods of an Exporter may be called on a nil one, which does nothing.
package telemetry

import (
	"context"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/config/collector"
	"mft.dev/mft/journal"
)

// Config is what telemetry needs; Now and Delays may be left out.
type Config struct {
	// Section is the configuration, nil for no telemetry.
	Section *collector.Telemetry
	Agent   mft.AgentName
	Version string // of the program
	// Dir is where the state is kept, in telemetry.json.
	Dir string
	Log *slog.Logger
	// Env looks up variables of the environment: secrets may lie there.
	Env    func(string) string
	Now    func() time.Time
	Delays Delays
}

// An Exporter tells destinations. Status may be called at any time, by any
// goroutine, once Follow has returned.
type Exporter struct {
	c       Config
	log     *slog.Logger
	now     func() time.Time
	journal *journal.Journal
	memory  *memory
	streams []*stream
	numbers *numbers // nil without metrics
	closers []func()
}

// Status is how one destination does.
type Status struct {
	Name     string `json:"name"` // "otlp traces"
	Endpoint string `json:"endpoint"`
	// Sums says that sums are sent, in which no event has to wait for its turn:
	// Waiting, Sent and Dropped are not for those.
	Sums bool `json:"sums,omitempty"`
	// Waiting is how many events are not sent yet, at most.
	Waiting int64 `json:"waiting"`
	Sent    int64 `json:"sent"`
	Dropped int64 `json:"dropped"`
	// Dropping is why the last ones were dropped.
	Dropping string `json:"dropping,omitempty"`
	// Code and Detail say why nothing arrives since Since, Code is empty
	// while it does.
	Code   mft.Code  `json:"code,omitempty"`
	Detail string    `json:"detail,omitempty"`
	Since  time.Time `json:"since,omitzero"`
	// Last is when something arrived.
	Last time.Time `json:"last,omitzero"`
}

// New returns an exporter, nil when there is no section. It reads no file and
// connects to nobody.
func New(c Config) *Exporter {
	if c.Section == nil {
		return nil
	}
	if c.Delays == (Delays{}) {
		c.Delays = NewDelays()
	}
	e := &Exporter{c: c, log: c.Log, now: c.Now}
	if e.log == nil {
		e.log = slog.New(slog.DiscardHandler)
	}
	if e.now == nil {
		e.now = time.Now
	}
	return e
}

// Follow has the events of j told that are appended from now on, and those that
// an earlier exporter of this Dir did not come to tell. It must be called once,
// before Run.
func (e *Exporter) Follow(j *journal.Journal) {
	if e == nil {
		return
	}
	e.journal = j
	var err error
	if e.memory, err = recall(filepath.Join(e.c.Dir, "telemetry.json"), j.Newest(), e.now()); err != nil {
		e.log.Warn("telemetry begins anew: what it knew cannot be used", "file", e.memory.path, "err", err)
	}
	e.open()
	for _, s := range e.streams {
		s.note(e.memory.open(s.name, j.Newest()))
	}
	e.save() // from here on nothing is history, whatever happens
}

// Run tells destinations until ctx ends.
func (e *Exporter) Run(ctx context.Context) {
	if e == nil {
		return
	}
	var all sync.WaitGroup
	for _, s := range e.streams {
		all.Go(func() { s.run(ctx, e) })
	}
	if e.numbers != nil {
		all.Go(func() { e.numbers.run(ctx, e) })
	}
	all.Go(func() {
		for pause(ctx, e.c.Delays.Save) {
			e.save()
		}
	})
	all.Wait()
	e.save()
	for _, c := range e.closers {
		c()
	}
}

func (e *Exporter) save() {
	if err := e.memory.save(); err != nil {
		e.log.Warn("cannot write what telemetry has sent; it is sent again after a restart", "file", e.memory.path, "err", err)
	}
}

// Status returns how the destinations do, in the order of the configuration;
// nil without telemetry.
func (e *Exporter) Status() []Status {
	if e == nil {
		return nil
	}
	var out []Status
	newest := e.journal.Newest()
	add := func(s *stream, waiting int64) {
		s.mu.Lock()
		defer s.mu.Unlock()
		one := s.status
		one.Name, one.Endpoint, one.Waiting = s.name, s.endpoint, waiting
		out = append(out, one)
	}
	for _, s := range e.streams {
		add(s, newest-e.memory.open(s.name, newest).Cursor)
	}
	if e.numbers != nil {
		add(e.numbers.stream, 0)
		out[len(out)-1].Sums = true
	}
	return out
}

package transfer

import "io"

// gatherSize is how much a Gatherer keeps: the size of a TLS record.
const gatherSize = 16 << 10

// A Gatherer is a writer that keeps small writes back when it is told to: many
// small frames in a row then cost few writes to the connection. It is not safe
// for concurrent use.
type Gatherer struct {
	to   io.Writer
	kept []byte
	keep bool
}

// NewGatherer returns a gatherer before w.
func NewGatherer(w io.Writer) *Gatherer {
	return &Gatherer{to: w, kept: make([]byte, 0, gatherSize)}
}

// Gather calls write. What that writes may be kept back until there is more, or
// until the next Flush or Write outside of Gather.
func (g *Gatherer) Gather(write func() error) error {
	g.keep = true
	err := write()
	g.keep = false
	return err
}

// Write writes p behind what was kept.
func (g *Gatherer) Write(p []byte) (int, error) {
	if len(p) > cap(g.kept)-len(g.kept) {
		if err := g.Flush(); err != nil {
			return 0, err
		}
	}
	if len(p) > cap(g.kept) || !g.keep && len(g.kept) == 0 {
		return g.to.Write(p)
	}
	g.kept = append(g.kept, p...)
	if g.keep {
		return len(p), nil
	}
	return len(p), g.Flush()
}

// Flush writes what was kept. What could not be written is lost, as the
// connection is.
func (g *Gatherer) Flush() error {
	if len(g.kept) == 0 {
		return nil
	}
	_, err := g.to.Write(g.kept)
	g.kept = g.kept[:0]
	return err
}

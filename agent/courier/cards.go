package courier

import (
	"context"
	"time"

	"mft.dev/mft"
)

// CardsFor is for how long an agent uses the cards that lie in the exchange under
// a name without asking for newer ones. Another that has made a new sealing key
// opens for much longer what is sealed to the one before.
const CardsFor = time.Minute

// pile is the cards of one name, and when they were read. Whether they are
// believed is decided whenever they are used.
type pile struct {
	cards [][]byte
	read  time.Time
}

// cards returns what lies in the exchange under a name, as it was not long ago.
func (c *Courier) cards(ctx context.Context, name mft.AgentName) ([][]byte, error) {
	now := c.c.Now()
	c.mu.Lock()
	p, known := c.piles[name]
	c.mu.Unlock()
	if age := now.Sub(p.read); known && age >= 0 && age < c.c.CardsFor {
		return p.cards, nil
	}
	cards, err := c.c.Exchange.Keys.Statements(ctx, name)
	if err != nil || len(cards) == 0 {
		return cards, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.piles[name] = pile{cards, now}
	return cards, nil
}

// outdated has the cards of a name be read anew.
func (c *Courier) outdated(name mft.AgentName) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.piles, name)
}

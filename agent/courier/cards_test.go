package courier

import (
	"context"
	"sync"
	"testing"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/exchange"
)

// asked counts how often cards are asked for.
type asked struct {
	exchange.Keys
	mu    sync.Mutex
	times int
	cards [][]byte
}

func (a *asked) Statements(context.Context, mft.AgentName) ([][]byte, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.times++
	return a.cards, nil
}

func TestCards(t *testing.T) {
	keys := &asked{}
	now := time.Unix(1_800_000_000, 0)
	c := &Courier{
		c:     Config{Exchange: exchange.Exchange{Keys: keys}, CardsFor: time.Minute, Now: func() time.Time { return now }},
		piles: map[mft.AgentName]pile{},
	}
	for _, step := range []struct {
		when  string
		do    func()
		times int
	}{
		{"at first", func() {}, 1},
		{"while there were none", func() { keys.cards = [][]byte{{1}} }, 2},
		{"a moment later", func() { now = now.Add(59 * time.Second) }, 2},
		{"a minute later", func() { now = now.Add(time.Second) }, 3},
		{"after they did not do", func() { c.outdated("beta") }, 4},
		{"when the clock went back", func() { now = now.Add(-time.Hour) }, 5},
		{"where they are not kept", func() { c.c.CardsFor = 0 }, 6},
	} {
		step.do()
		if _, err := c.cards(t.Context(), "beta"); err != nil || keys.times != step.times {
			t.Errorf("%s: %v, and the exchange was asked %d times, want %d", step.when, err, keys.times, step.times)
		}
	}
}

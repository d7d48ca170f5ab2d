package e2e

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/localapi"
)

// TestRandomKills kills agents at random moments while files are streaming
// from one to the other. Afterwards every file has appeared exactly once and
// whole.
func TestRandomKills(t *testing.T) {
	const kinds = 4
	for _, tt := range []struct {
		name    string
		take    bool // the consumer takes each file away the moment it appears
		channel bool // a channel sends the files, not a command
	}{
		{name: "commands"},
		{name: "commands, files taken away", take: true},
		{name: "channel", channel: true},
		{name: "channel, files taken away", take: true, channel: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			rnd := chance(t)
			alpha, beta := newPair(t)
			if tt.channel {
				alpha.configure(channelTo(alpha, beta))
				alpha.stop()
				alpha.start()
			}
			c := consume(t, beta.In(), filepath.Join(beta.Dir, "kept"), tt.take)
			s := &stream{
				from: alpha, to: beta, consumer: c, channel: tt.channel,
				producer: &producer{t: t, dir: alpha.Out(), ledger: newLedger(), rnd: rand.New(rand.NewPCG(rnd.Uint64(), 1))},
			}
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error)
			go func() { ended <- s.flow(ctx) }()
			killAtRandom(t, rnd, sample(20, 200)/kinds, nil, alpha, beta)
			cancel()
			if err := <-ended; err != nil {
				t.Error(err)
			}
			s.settle(t)
			c.verdict(s.producer.ledger)
		})
	}
}

// channelTo returns the configuration of a channel from one out() to the
// other's in().
func channelTo(from, to *host) string {
	return fmt.Sprintf(`
channels:
  - name: stream
    from: {agent: %s, path: %q}
    to: [{agent: %s, path: %q}]
    when: {arrival: {stable: 50ms, rescan: 2s}}
    select: {exclude: [".new-*", ".new-*/**"]}
`, from.Name, from.Out(), to.Name, to.In())
}

// killAtRandom kills one agent or both n times and starts them again. Dead is
// called with each that was killed, before it is started, and may be nil.
func killAtRandom(t *testing.T, rnd *rand.Rand, n int, dead func(*host), hosts ...*host) {
	t.Helper()
	pause := func(most time.Duration) {
		// A random moment is the point here; nothing waits for anything.
		<-time.After(rand.N(most))
	}
	for range n {
		pause(400 * time.Millisecond)
		victims := hosts
		if i := rnd.IntN(len(hosts) + 1); i < len(hosts) {
			victims = hosts[i : i+1]
		}
		for _, h := range victims {
			h.Kill()
			if dead != nil {
				dead(h)
			}
		}
		if rnd.IntN(4) == 0 {
			pause(300 * time.Millisecond)
		}
		for _, h := range victims {
			if err := h.launch(nil); err != nil {
				t.Fatal(err)
			}
		}
		if rnd.IntN(4) != 0 { // else the next one may come while it starts
			for _, h := range victims {
				h.await()
			}
		}
	}
}

// A stream keeps files flowing from one host to another.
type stream struct {
	from, to *host
	producer *producer
	consumer *consumer
	channel  bool
	most     int // orders; 0 is as many as there is time for
	orders   []mft.TransferID
}

// flow makes files until ctx ends, and has them sent.
func (s *stream) flow(ctx context.Context) error {
	for {
		if err := s.backPressure(ctx); err != nil || s.most > 0 && len(s.orders) >= s.most {
			return nil
		}
		source := s.produce()
		if s.channel {
			continue
		}
		id, err := order(s.from, s.to, source)
		if err != nil {
			return err
		}
		s.orders = append(s.orders, id)
	}
}

func (s *stream) produce() string {
	if s.producer.rnd.IntN(5) == 0 {
		return s.producer.tree()
	}
	return s.producer.file()
}

// backPressure waits until not too many files are on their way.
func (s *stream) backPressure(ctx context.Context) error {
	for {
		n, changed := s.consumer.arrived()
		if s.producer.ledger.len()-n < 30 {
			return ctx.Err()
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// settle waits until everything that was made has arrived and both ends agree
// that every transfer is done.
func (s *stream) settle(t *testing.T) {
	t.Helper()
	for _, h := range []*host{s.from, s.to} {
		if h.awaitOrEnd() != nil { // it was killed while it started
			h.Kill()
			h.start()
		}
	}
	if err := s.consumer.awaitArrived(s.producer.ledger.len()); err != nil {
		t.Error(err)
	}
	for _, h := range []*host{s.from, s.to} {
		all, err := h.transfers()
		if err != nil {
			t.Fatal(err)
		}
		known := map[mft.TransferID]bool{}
		for _, tr := range all {
			known[tr.ID] = true
			if !s.channel && !slices.Contains(s.orders, tr.ID) {
				t.Errorf("%s: transfer %s of %q was not ordered", h.Name, tr.ID, tr.Sources)
			}
			tr, err := h.watch(tr.ID, func(tr localapi.Transfer) bool { return tr.State.Terminal() })
			if err != nil {
				t.Fatal(err) // one says enough
			}
			if tr.State != mft.StateDone {
				t.Errorf("%s: transfer %s of %q ended as %s: %+v", h.Name, tr.ID, tr.Sources, tr.State, tr.Reason)
			}
		}
		for _, id := range s.orders {
			if !known[id] {
				t.Errorf("%s: transfer %s was ordered and is not known", h.Name, id)
			}
		}
	}
}

// order has one source sent by a command. Should the agent be killed while it
// takes the order, that is for the command to mend: the order is lost only if
// the agent was not there from the start, which has a status of its own, and
// it is unknown only if the agent stays away, which has another.
func order(from, to *host, source string, flags ...string) (mft.TransferID, error) {
	return place(from, to, source, "", func(status int) bool { return status == statusNotRunning }, flags...)
}

// insist is order for an agent whose system calls may fail: it gives the order
// again until there is no complaint.
func insist(from, to *host, source string, flags ...string) (mft.TransferID, error) {
	id, err := from.run("transfer", "id")
	if err != nil {
		return mft.TransferID{}, err
	}
	return place(from, to, source, strings.TrimSpace(id), func(int) bool { return true }, flags...)
}

// What a command ends with that gives an order.
const (
	statusNotRunning = 3 // nothing was taken
	statusNoAnswer   = 9 // the agent may have taken the transfer that is named
)

// named finds the transfer that a command names.
var named = regexp.MustCompile(`transfer ([0-9a-f-]{36})`)

// place types the command of one order, with an id unless that is empty, for as
// long as again says so of its status.
func place(from, to *host, source, id string, again func(status int) bool, flags ...string) (mft.TransferID, error) {
	ctx, cancel := patient()
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		args := append([]string{"copy", "--detach", source, "--dest-agent", string(to.Name), "--dest-path", to.In() + "/"}, flags...)
		if id != "" {
			args = append(args, "--id", id)
		}
		out, err := from.run(args...)
		if err == nil {
			return mft.ParseTransferID(strings.TrimSpace(out))
		}
		var ended *exec.ExitError
		if !errors.As(err, &ended) {
			return mft.TransferID{}, err
		}
		switch status := ended.ExitCode(); {
		case status == statusNoAnswer:
			m := named.FindStringSubmatch(err.Error())
			if m == nil {
				return mft.TransferID{}, fmt.Errorf("the order is not named: %w", err)
			}
			id = m[1]
		case !again(status):
			return mft.TransferID{}, err
		}
		select {
		case <-ctx.Done():
			return mft.TransferID{}, fmt.Errorf("ordering %s: %w", source, err)
		case <-tick.C:
		}
	}
}

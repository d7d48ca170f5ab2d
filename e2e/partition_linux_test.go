package e2e

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestPartition has a channel with markers run between hosts whose network loses packets,
// while files and triggers go on to come. Whatever is lost, and for how long: in the end
// each trigger led to one run, which succeeded; each file appeared exactly once and whole;
// and only the completion marker is left.
func TestPartition(t *testing.T) {
	for _, tt := range []struct {
		name string
		act  func(p *parted)
	}{
		{"loss both ways", func(p *parted) {
			for range sample(2, 5) {
				p.flows()
				p.part(0, 1)
				p.part(1, 0)
				p.lasts()
				p.join(0, 1)
				p.join(1, 0)
			}
		}},
		{"loss to the receiver", func(p *parted) {
			p.flows()
			p.part(0, 1)
			p.lasts()
			p.join(0, 1)
		}},
		{"loss from the receiver", func(p *parted) {
			p.flows()
			p.part(1, 0)
			p.lasts()
			p.join(1, 0)
		}},
		{"receiver killed meanwhile", func(p *parted) {
			p.flows()
			p.part(0, 1)
			p.part(1, 0)
			p.hosts[1].Kill()
			p.lasts()
			p.hosts[1].start()
			p.join(0, 1)
			p.join(1, 0)
		}},
		{"sender killed meanwhile", func(p *parted) {
			p.flows()
			p.part(0, 1)
			p.part(1, 0)
			p.hosts[0].Kill()
			p.hosts[0].start()
			p.lasts()
			p.join(0, 1)
			p.join(1, 0)
		}},
		{"only the receiver can call", func(p *parted) { p.deaf(0, 1) }},
		{"only the sender can call", func(p *parted) { p.deaf(1, 0) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := newParted(t)
			stop, ended := make(chan struct{}), make(chan error)
			go func() { ended <- p.goOn(stop) }()
			tt.act(p)
			close(stop)
			if err := <-ended; err != nil {
				t.Fatal(err)
			}
			p.verdict()
		})
	}
}

// TestTriggerDuringPartition makes the trigger when the receiver cannot be reached. The
// run begins, the producer can tell so, and it ends when the network is there again.
func TestTriggerDuringPartition(t *testing.T) {
	t.Parallel()
	p := newParted(t)
	p.one()
	settledMarkers(t, p.hosts[0], p.marks)
	done, err := os.Stat(filepath.Join(p.marks, "done"))
	if err != nil {
		t.Fatal(err)
	}
	p.part(0, 1)
	p.part(1, 0)
	p.one()
	p.await("the run begins", func() bool { return p.marked("sending") && !p.marked("ready") })
	p.lasts()
	if now, err := os.Stat(filepath.Join(p.marks, "done")); err != nil || !now.ModTime().Equal(done.ModTime()) || !p.marked("sending") {
		t.Errorf("the run is over, but nothing can have arrived (%v)", err)
	}
	p.join(0, 1)
	p.join(1, 0)
	p.verdict()
}

// A parted is two hosts and the channel between them.
type parted struct {
	*town
	*stream
	t     *testing.T
	marks string
	made  int // triggers
}

func newParted(t *testing.T) *parted {
	t.Helper()
	rnd := chance(t)
	p := &parted{town: newTown(t, "alpha", "beta"), t: t}
	alpha, beta := p.hosts[0], p.hosts[1]
	p.marks = filepath.Join(alpha.Dir, "marks")
	if err := os.Mkdir(p.marks, 0o755); err != nil {
		t.Fatal(err)
	}
	alpha.configure(markedChannel(alpha, beta, p.marks))
	alpha.start()
	beta.start()
	pair(alpha, beta, beta.Addr)
	p.stream = &stream{
		from: alpha, to: beta, consumer: consume(t, beta.In(), filepath.Join(beta.Dir, "kept"), false), channel: true,
		producer: &producer{t: t, dir: alpha.Out(), ledger: newLedger(), rnd: rand.New(rand.NewPCG(rnd.Uint64(), 1)), big: 1 << 20},
	}
	return p
}

// markedChannel returns the configuration of a channel that runs because of trigger
// markers in a directory, in which it places its own.
func markedChannel(from, to *host, marks string) string {
	at := func(name string) string { return filepath.Join(marks, name) }
	return fmt.Sprintf(`
channels:
  - name: stream
    from: {agent: %s, path: %q}
    to: [{agent: %s, path: %q}]
    when: marker
    select: {exclude: [".new-*", ".new-*/**"]}
    markers: {source: {trigger: %q, activity: %q, completion: %q, failure: %q}}
`, from.Name, from.Out(), to.Name, to.In(), at("ready"), at("sending"), at("done"), at("failed"))
}

// one makes something to send and the trigger that says so.
func (p *parted) one() {
	p.t.Helper()
	p.produce()
	if err := trigger(filepath.Join(p.marks, "ready")); err != nil {
		p.t.Fatal(err)
	}
	p.made++
}

// goOn makes things to send, and the triggers, until stop.
func (p *parted) goOn(stop <-chan struct{}) error {
	for {
		p.produce()
		if err := trigger(filepath.Join(p.marks, "ready")); err != nil {
			return err
		}
		p.made++
		select {
		case <-stop:
			return nil
		default:
		}
	}
}

// flows returns when a few files more have arrived.
func (p *parted) flows() {
	p.t.Helper()
	n, _ := p.consumer.arrived()
	if err := p.consumer.awaitArrived(n + 3); err != nil {
		p.t.Fatal(err)
	}
}

// lasts lets what was done last. With -long it lasts until the agents give up their
// connections, which they do not within a few seconds.
func (p *parted) lasts() {
	if *long {
		<-time.After(100 * time.Second)
		return
	}
	<-time.After(rand.N(3 * time.Second))
}

// deaf has one host never reach the port of another, which has to call it.
func (p *parted) deaf(from, to int) {
	p.t.Helper()
	p.lose(net4(from), listens(to))
	for _, h := range p.hosts {
		h.Kill()
		h.start()
	}
	p.flows()
	p.lasts()
	p.flows()
}

func (p *parted) marked(name string) bool {
	_, err := os.Lstat(filepath.Join(p.marks, name))
	return err == nil
}

func (p *parted) await(what string, ok func() bool) {
	p.t.Helper()
	eventually(p.t, what, ok, func() string { return "" })
}

// verdict waits until everything is over and looks at all of it.
func (p *parted) verdict() {
	p.t.Helper()
	settledMarkers(p.t, p.hosts[0], p.marks)
	p.settle(p.t)
	p.consumer.verdict(p.producer.ledger)
	runsAreThose(p.t, p.hosts[0], p.made)
	for _, h := range p.hosts {
		for _, left := range staging(p.t, h.Out()) {
			if !strings.HasPrefix(filepath.Base(left), ".new-") {
				p.t.Errorf("%s: %s is left over", h.Name, left)
			}
		}
	}
}

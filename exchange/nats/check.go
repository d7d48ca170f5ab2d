package nats

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"

	"mft.dev/mft"
	"mft.dev/mft/exchange/nats/cluster"
	"mft.dev/mft/exchange/probe"
)

const (
	giveRights = "give the user of this agent the permissions that `mft exchange setup --print-roles` prints"
	takeRights = "give each agent a user of its own, with the permissions that `mft exchange setup --print-roles` prints and no others"
	runSetup   = "run `mft exchange setup` on this host, as the user of the agent"
)

// Check tries what this agent must be able to do, and what it must not, with one
// peer; with the peer "", only what is its own. It touches no letter and no
// object of others and removes what it makes: what it puts where it must not stay
// has a condition that no stream fulfils, so that the answer tells whether it is
// allowed.
func (s *Storage) Check(ctx context.Context, peer mft.AgentName) []probe.Finding {
	c := &checker{s: s, ctx: ctx}
	if err := c.reach(); err != nil {
		c.Note(false, "reach the servers", err.Error(), "see whether the servers run, can be reached from here, and know the credential of this agent")
		return c.Found
	}
	c.Note(true, "reach the servers", "allowed", "")
	if !c.streams() {
		return c.Found // all else would fail for the same reason
	}
	c.own()
	if peer != "" && peer != s.agent {
		c.with(peer)
	}
	return c.Found
}

type checker struct {
	probe.Log
	s   *Storage
	ctx context.Context // of one call of Check
}

func (c *checker) failure(err error) error { return cluster.Failure(c.ctx, "check", "", err) }

// reach connects, and hears no more than that somebody is there.
func (c *checker) reach() error {
	err := c.s.cluster.Ask(c.ctx, "STREAM.INFO."+keysStream, nil, nil)
	if code := mft.CodeOf(c.failure(err)); code == mft.CodeNotFound || code == mft.CodeNotAllowed && !errors.Is(err, nats.ErrAuthorization) {
		return nil // which of them it is tells the next one
	}
	return c.failure(err)
}

// refusedPut puts what no stream takes: nothing has the id that must come before it.
func (c *checker) refusedPut(stream, subject string) error {
	_, err := c.s.cluster.Store(c.ctx, stream, subject, []byte("mft check"), map[string]string{nats.ExpectedLastMsgIdHdr: probe.Name()})
	if cluster.Answered(err, cluster.WrongLastID) {
		return nil
	}
	return c.failure(err)
}

// streams looks at what Setup makes, and reports whether it is there.
func (c *checker) streams() bool {
	there := true
	for _, want := range c.s.streams() {
		have, err := c.s.stream(c.ctx, want.Name)
		if err == nil {
			err = fits(have, want)
		}
		remedy := giveRights
		if mft.CodeOf(c.failure(err)) == mft.CodeNotFound {
			remedy = runSetup
		}
		there = c.Must("find the stream "+want.Name+" as it has to be", remedy, c.failure(err)) && there
	}
	if !there {
		return false
	}
	return c.Must("find the consumer of the own queue as it has to be", runSetup, c.failure(c.s.consumer(c.ctx)))
}

func (c *checker) own() {
	c.Must("put a letter into the own queue", giveRights, c.refusedPut(queueStream(c.s.agent), queueOf(c.s.agent)))
	c.Must("ask for letters of the own queue", giveRights, c.failure(c.askLetters(c.s.agent)))
	c.Must("publish a statement of the own key", giveRights, c.refusedPut(keysStream, keysOf(c.s.agent)+".mft-check"))
	_, err := keys{c.s}.Statements(c.ctx, c.s.agent)
	c.Must("read the statements of the own key", giveRights, err)
	if !c.s.options.NoBox {
		c.Container(c.ctx, c.s.Exchange(), giveRights, nil)
	}
}

// askLetters asks for letters in a way that no server understands, so that none
// is taken: who gets that answer may ask.
func (c *checker) askLetters(of mft.AgentName) error {
	m := nats.NewMsg("$JS.API.CONSUMER.MSG.NEXT." + queueStream(of) + "." + consumer)
	m.Data = []byte("{")
	patient, stop := context.WithTimeout(c.ctx, c.s.cluster.Config.Patience)
	defer stop()
	end, err := c.s.cluster.Collect(patient, m, func(*nats.Msg) (bool, error) { return false, nil })
	if err != nil {
		return err
	}
	if end == nil || end.Header.Get("Status") != "400" {
		return errors.New("the answer is none of JetStream")
	}
	return nil
}

func (c *checker) with(peer mft.AgentName) {
	setUp := "run `mft exchange setup` on the host of " + string(peer) + "; " + giveRights
	c.Must(fmt.Sprintf("put a letter into the queue of %s", peer), setUp, c.refusedPut(queueStream(peer), queueOf(peer)))
	statements, err := keys{c.s}.Statements(c.ctx, peer)
	if c.Must(fmt.Sprintf("read the statements of %s", peer), giveRights, err) {
		c.Note(len(statements) > 0, fmt.Sprintf("%s has published its key", peer), fmt.Sprintf("%d found", len(statements)),
			"start the agent of the peer: it publishes its key then")
	}
	if !c.s.options.NoBox {
		_, err := c.s.cluster.Get(c.ctx, boxStream(peer), boxOf(peer)+".g."+token())
		if errors.Is(err, cluster.ErrNone) {
			err = nil // it may look, and nothing has that name
		}
		c.Must(fmt.Sprintf("read by a grant of %s", peer), setUp, c.failure(err))
		c.MustNot(fmt.Sprintf("write into the container of %s", peer), takeRights, c.refusedPut(boxStream(peer), boxOf(peer)+".g.mft-check"))
		err = c.s.cluster.Ask(c.ctx, "STREAM.MSG.GET."+boxStream(peer), map[string]string{"last_by_subj": boxOf(peer) + ".o.mft-check"}, nil)
		c.MustNot(fmt.Sprintf("look into the container of %s", peer), takeRights, c.looked(err))
	}
	c.MustNot(fmt.Sprintf("take letters of %s", peer), takeRights, c.failure(c.askLetters(peer)))
	err = c.s.cluster.Ask(c.ctx, "STREAM.MSG.GET."+queueStream(peer), map[string]string{"last_by_subj": queueOf(peer) + ".mft-check"}, nil)
	c.MustNot(fmt.Sprintf("look into the queue of %s", peer), takeRights, c.looked(err))
	c.MustNot(fmt.Sprintf("publish a statement in the name of %s", peer), takeRights, c.refusedPut(keysStream, keysOf(peer)+".mft-check"))
}

// looked says that who is told that something is not there may look.
func (c *checker) looked(err error) error {
	if cluster.Answered(err, cluster.ErrNone.Code) {
		return nil
	}
	return c.failure(err)
}

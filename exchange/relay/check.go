package relay

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/exchange"
	"mft.dev/mft/exchange/relay/wire"
)

// A Finding is what came of trying one thing.
type Finding struct {
	OK     bool
	What   string // was tried
	Result string
	Remedy string // empty when OK
}

// tidyUp is how long Check may take to remove what it made, once it was told to stop.
const tidyUp = 20 * time.Second

// Check tries what this agent must be able to do at the relay, and what it must not,
// with one peer; with the peer "" only what is its own. It touches no letter and no
// object of others, puts no letter into the queue of the peer, and removes what it
// makes.
func (r *Relay) Check(ctx context.Context, peer mft.AgentName) []Finding {
	c := &checker{r: r, ctx: ctx, peer: peer}
	var random [6]byte
	_, _ = rand.Read(random[:]) // never fails
	c.name = "mft-check-" + hex.EncodeToString(random[:])
	place, err := r.Place(ctx)
	if !c.must("reach the relay and be served", "on the host of the relay: this agent as a peer, and in relay.agents; here: address and name of the relay, and it as a peer", err) {
		return c.found
	}
	off := time.Until(time.UnixMilli(place.Now)).Round(time.Second)
	c.note("the clock of this host agrees with that of the relay", off.Abs() < 5*time.Minute, fmt.Sprintf("it is off by %v", -off), "set the clocks: letters are signed for a time")
	c.note("there is room", place.Bytes < place.Quota.Bytes && place.Objects < place.Quota.Objects && place.Put < place.Quota.Letters,
		fmt.Sprintf("%.2f of %.2f GiB, %d of %d objects, %d of %d letters", float64(place.Bytes)/(1<<30), float64(place.Quota.Bytes)/(1<<30),
			place.Objects, place.Quota.Objects, place.Put, place.Quota.Letters),
		"have the peers fetch what waits for them, or raise relay.quota on the host of the relay")
	c.queue()
	c.container()
	c.keys()
	if peer != "" && peer != r.c.Agent {
		c.others()
	}
	return c.found
}

// A checker collects findings.
type checker struct {
	r     *Relay
	ctx   context.Context // of one call of Check
	peer  mft.AgentName
	name  string // of what is made
	found []Finding
}

func (c *checker) note(what string, ok bool, result, remedy string) {
	if ok {
		remedy = ""
	}
	c.found = append(c.found, Finding{What: what, OK: ok, Result: result, Remedy: remedy})
}

// must notes that something has to succeed, and reports whether it did.
func (c *checker) must(what, remedy string, err error) bool {
	if err == nil {
		c.note(what, true, "allowed", "")
		return true
	}
	if code := mft.CodeOf(err); remedy == "" || code == mft.CodeUnreachable || code == mft.CodeUnknownPeer {
		remedy = code.Remedy()
	}
	c.note(what, false, err.Error(), remedy)
	return false
}

// mustNot notes that something has to be refused.
func (c *checker) mustNot(what string, err error) {
	switch mft.CodeOf(err) {
	case mft.CodeOK:
		c.note(what, false, "it is allowed, and must not be", "stop the relay, and report it")
	case mft.CodeNotAllowed:
		c.note(what, true, "refused, as it must be", "")
	default:
		c.note(what, false, "it could not be tried: "+err.Error(), mft.CodeOf(err).Remedy())
	}
}

// later returns a context for removing what was made, even after an end.
func (c *checker) later() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(c.ctx), tidyUp)
}

const full = "see what the relay says; its log says more"

// queue puts a letter that nobody sees into the own queue, and holds and removes it.
func (c *checker) queue() {
	var held wire.Held
	err := c.r.ask(c.ctx, call{
		op: "put letter to", subject: string(c.r.c.Agent), method: http.MethodPost, path: c.r.own("letters") + "?hidden", body: []byte("mft check"),
	}, &held)
	if !c.must("put a letter into the own queue", full, err) {
		return
	}
	l := &exchange.Letter{ID: held.ID, Claim: held.Claim}
	c.must("renew the lease of a letter in the own queue", full, queue{c.r}.Renew(c.ctx, l, time.Minute))
	ctx, stop := c.later()
	defer stop()
	c.must("remove a letter from the own queue", full, queue{c.r}.Remove(ctx, l))
}

func (c *checker) container() {
	box, body := container{c.r}, []byte("mft check")
	err := box.Stage(c.ctx, c.name, 0, body)
	if err == nil {
		err = box.Publish(c.ctx, c.name, 1)
	}
	if c.must("publish an object in the own container", full, err) {
		grant, err := box.Grant(c.ctx, c.name, time.Minute)
		if err == nil {
			got := make([]byte, len(body))
			if err = (reader{c.r}).Read(c.ctx, grant.Ref, 0, got); err == nil && !bytes.Equal(got, body) {
				err = mft.Fail(mft.CodeCorrupt, "read granted object", c.name, nil)
			}
		}
		c.must("grant it, and read it by the grant", full, err)
	}
	var secret [32]byte
	_, _ = rand.Read(secret[:]) // never fails
	err = reader{c.r}.Read(c.ctx, wire.RefPrefix+base64.RawURLEncoding.EncodeToString(secret[:]), 0, make([]byte, 1))
	if mft.CodeOf(err) == mft.CodeExpired {
		err = mft.Fail(mft.CodeNotAllowed, "read without a grant", "", nil)
	}
	c.mustNot("read without a grant", err)
	c.must("list the own container", full, box.List(c.ctx, func(exchange.Object) bool { return false }))
	ctx, stop := c.later()
	defer stop()
	c.must("remove an object from the own container", full, box.Remove(ctx, c.name))
}

func (c *checker) keys() {
	k := keys{c.r}
	if c.must("publish a statement of the own key", full, k.Publish(c.ctx, c.name, []byte("mft check"))) {
		ctx, stop := c.later()
		defer stop()
		c.must("remove a statement of the own key", full, c.r.ask(ctx, call{
			op: "remove statement", subject: c.name, method: http.MethodDelete, path: c.r.own("keys", c.name),
		}, nil))
	}
}

// others tries what this agent does with what is the peer's.
func (c *checker) others() {
	peer := string(c.peer)
	err := c.r.ask(c.ctx, call{op: "put letter to", subject: peer, method: http.MethodPost, path: c.r.of(c.peer, "letters") + "?try", body: []byte("mft check")}, nil)
	c.must("be let put a letter into the queue of "+peer, "add "+peer+" to relay.agents on the host of the relay", err)
	statements, err := keys{c.r}.Statements(c.ctx, c.peer)
	if c.must("read the statements of "+peer, full, err) {
		c.note(peer+" has published its key", len(statements) > 0, fmt.Sprintf("%d found", len(statements)), "start the agent of the peer, with this relay as its exchange: it publishes its key then")
	}
	c.mustNot("take letters from the queue of "+peer, c.foreign(order("take letters", "", c.r.of(c.peer, "take"), wire.Take{Most: 1, Lease: 1})))
	c.mustNot("remove letters from the queue of "+peer, c.foreign(order("remove letter", "", c.r.of(c.peer, "remove"), wire.Hold{ID: "0", Claim: "0"})))
	c.mustNot("list the container of "+peer, c.foreign(call{op: "list objects", method: http.MethodGet, path: c.r.of(c.peer, "objects")}))
	c.mustNot("write into the container of "+peer, c.foreign(call{
		op: "stage block", method: http.MethodPut, path: c.r.of(c.peer, "objects", c.name, "0"), body: []byte("mft check"),
	}))
	c.mustNot("grant an object of "+peer, c.foreign(order("grant object", "", c.r.of(c.peer, "objects", c.name, "grant"), wire.Life{Life: 1})))
	c.mustNot("publish a statement in the name of "+peer, c.foreign(call{
		op: "publish statement", method: http.MethodPut, path: c.r.of(c.peer, "keys", c.name), body: []byte("mft check"),
	}))
}

// foreign asks for what is another's. What is not there is no refusal.
func (c *checker) foreign(what call) error {
	err := c.r.ask(c.ctx, what, nil)
	if mft.CodeOf(err) == mft.CodeNotFound {
		return errors.Join(err, errors.New("the relay looked for it, and must not"))
	}
	return err
}

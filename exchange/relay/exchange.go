package relay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/exchange"
	"mft.dev/mft/exchange/relay/wire"
)

// A queue is the queues at a relay.
type queue struct{ r *Relay }

func (q queue) Put(ctx context.Context, to mft.AgentName, body []byte) error {
	if _, err := mft.ParseAgentName(string(to)); err != nil {
		return err
	}
	if err := exchange.CheckLetter(body); err != nil {
		return err
	}
	return q.r.ask(ctx, call{op: "put letter to", subject: string(to), method: http.MethodPost, path: q.r.of(to, "letters"), body: body}, nil)
}

func (q queue) Take(ctx context.Context, most int, lease time.Duration) ([]exchange.Letter, error) {
	most = min(most, exchange.MaxTake)
	if most < 1 {
		return nil, mft.Fail(mft.CodeUsage, "take letters", "", fmt.Errorf("%d letters cannot be taken", most))
	}
	if err := checkLease("take letters", lease); err != nil {
		return nil, err
	}
	wait := max(q.r.c.Wait, 0)
	c := order("take letters", "", q.r.own("take"), wire.Take{Most: most, Lease: wire.Milliseconds(lease), Wait: wire.Milliseconds(wait)})
	c.more = wait
	var got wire.Letters
	if err := q.r.ask(ctx, c, &got); err != nil {
		return nil, err
	}
	if len(got.Letters) > most {
		return nil, mft.Fail(mft.CodeProtocol, c.op, "", fmt.Errorf("the relay returns %d letters of at most %d", len(got.Letters), most))
	}
	var out []exchange.Letter
	for _, l := range got.Letters {
		if exchange.CheckLetter(l.Body) != nil || l.ID == "" || len(l.ID) > wire.MaxClaim || l.Claim == "" || len(l.Claim) > wire.MaxClaim {
			return nil, mft.Fail(mft.CodeProtocol, c.op, "", errors.New("the relay returns what is no letter"))
		}
		out = append(out, exchange.Letter{ID: l.ID, Body: l.Body, Taken: max(l.Taken, 1), Claim: l.Claim})
	}
	return out, nil
}

func checkLease(op string, lease time.Duration) error {
	if lease <= 0 || lease > wire.MaxLease {
		return mft.Fail(mft.CodeUsage, op, "", fmt.Errorf("a lease lasts up to %v, not %v", wire.MaxLease, lease))
	}
	return nil
}

func (q queue) Renew(ctx context.Context, l *exchange.Letter, lease time.Duration) error {
	const op = "renew letter"
	if err := checkLease(op, lease); err != nil {
		return err
	}
	var held wire.Held
	h := wire.Hold{ID: l.ID, Claim: l.Claim, Lease: wire.Milliseconds(lease)}
	if err := q.r.ask(ctx, order(op, l.ID, q.r.own("renew"), h), &held); err != nil {
		return err
	}
	if held.Claim == "" || len(held.Claim) > wire.MaxClaim {
		return mft.Fail(mft.CodeProtocol, op, l.ID, errors.New("the relay returns no claim"))
	}
	l.Claim = held.Claim
	return nil
}

func (q queue) Remove(ctx context.Context, l *exchange.Letter) error {
	return q.r.ask(ctx, order("remove letter", l.ID, q.r.own("remove"), wire.Hold{ID: l.ID, Claim: l.Claim}), nil)
}

// A container is the objects of the agent.
type container struct{ r *Relay }

func (x container) Stage(ctx context.Context, name string, block int, content []byte) error {
	if err := exchange.CheckName(name); err != nil {
		return err
	}
	if err := x.r.Exchange().Sizes.CheckBlock(name, block, content); err != nil {
		return err
	}
	return x.r.ask(ctx, call{
		op: "stage block of", subject: name, method: http.MethodPut, path: x.r.own("objects", name, strconv.Itoa(block)), body: content,
	}, nil)
}

func (x container) Publish(ctx context.Context, name string, blocks int) error {
	if err := exchange.CheckName(name); err != nil {
		return err
	}
	return x.r.ask(ctx, order("publish object", name, x.r.own("objects", name, "publish"), wire.Publish{Blocks: blocks}), nil)
}

func (x container) Grant(ctx context.Context, name string, life time.Duration) (exchange.Grant, error) {
	const op = "grant object"
	if err := exchange.CheckName(name); err != nil {
		return exchange.Grant{}, err
	}
	life, err := exchange.CheckLife(life)
	if err != nil {
		return exchange.Grant{}, err
	}
	var g wire.Grant
	if err := x.r.ask(ctx, order(op, name, x.r.own("objects", name, "grant"), wire.Life{Life: wire.Milliseconds(life)}), &g); err != nil {
		return exchange.Grant{}, err
	}
	if wire.CheckRef(g.Ref) != nil {
		return exchange.Grant{}, mft.Fail(mft.CodeProtocol, op, name, errors.New("the relay returns no grant"))
	}
	return exchange.Grant{Ref: g.Ref, Until: time.UnixMilli(g.Until)}, nil
}

func (x container) Remove(ctx context.Context, name string) error {
	if err := exchange.CheckName(name); err != nil {
		return err
	}
	return x.r.ask(ctx, call{op: "remove object", subject: name, method: http.MethodDelete, path: x.r.own("objects", name)}, nil)
}

func (x container) List(ctx context.Context, yield func(exchange.Object) bool) error {
	const op = "list objects"
	for after := ""; ; {
		var page wire.Objects
		path := x.r.own("objects")
		if after != "" {
			path += "?after=" + after
		}
		if err := x.r.ask(ctx, call{op: op, method: http.MethodGet, path: path}, &page); err != nil {
			return err
		}
		for _, o := range page.Objects {
			if exchange.CheckName(o.Name) != nil || o.Name <= after || o.Size < 0 {
				return mft.Fail(mft.CodeProtocol, op, "", errors.New("the relay lists what is no object, or one twice"))
			}
			after = o.Name
			if !yield(exchange.Object{Name: o.Name, Published: o.Published, Size: o.Size, Changed: time.UnixMilli(o.Changed)}) {
				return nil
			}
		}
		if !page.More || len(page.Objects) == 0 {
			return nil
		}
	}
}

// A reader reads what others have granted.
type reader struct{ r *Relay }

func (x reader) Read(ctx context.Context, ref string, offset int64, p []byte) error {
	const op = "read granted object"
	if err := wire.CheckRef(ref); err != nil {
		return err
	}
	if offset < 0 {
		return mft.Fail(mft.CodeUsage, op, "", fmt.Errorf("there is no byte %d", offset))
	}
	for len(p) > 0 {
		part := p[:min(len(p), wire.MaxBlock)]
		c := order(op, "", "/1/read", wire.Read{Ref: ref, Offset: offset, Length: len(part)})
		c.more = time.Duration(len(part)/slowest) * time.Second
		err := x.r.do(ctx, c, func(body io.Reader) error {
			_, err := io.ReadFull(body, part)
			return err
		})
		if err != nil {
			return err
		}
		p, offset = p[len(part):], offset+int64(len(part))
	}
	return nil
}

// keys are the statements of agents.
type keys struct{ r *Relay }

func (k keys) Publish(ctx context.Context, id string, statement []byte) error {
	if err := exchange.CheckStatement(id, statement); err != nil {
		return err
	}
	return k.r.ask(ctx, call{op: "publish statement", subject: id, method: http.MethodPut, path: k.r.own("keys", id), body: statement}, nil)
}

func (k keys) Statements(ctx context.Context, of mft.AgentName) ([][]byte, error) {
	const op = "read statements of"
	if _, err := mft.ParseAgentName(string(of)); err != nil {
		return nil, err
	}
	var got wire.Statements
	if err := k.r.ask(ctx, call{op: op, subject: string(of), method: http.MethodGet, path: k.r.of(of, "keys")}, &got); err != nil {
		return nil, err
	}
	if len(got.Statements) > exchange.MaxStatements {
		return nil, mft.Fail(mft.CodeProtocol, op, string(of), fmt.Errorf("the relay returns %d", len(got.Statements)))
	}
	for _, statement := range got.Statements {
		if len(statement) == 0 || len(statement) > exchange.MaxStatement {
			return nil, mft.Fail(mft.CodeProtocol, op, string(of), errors.New("the relay returns what is no statement"))
		}
	}
	return got.Statements, nil
}

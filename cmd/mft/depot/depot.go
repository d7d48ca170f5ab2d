// Package depot opens the exchange that a configuration names, sets it up, and
// tries whether this agent may do there what it must:
//
//	d, err := depot.Open(cfg, os.Getenv)
//	defer d.Close()
//	agent.New(agent.Options{Exchange: d.Exchange, …})
//
// Secrets are read where the configuration says that they lie, when they are
// needed; the package prints none.
package depot

import (
	"context"
	"errors"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/config"
	"mft.dev/mft/exchange"
	"mft.dev/mft/exchange/azure"
	"mft.dev/mft/exchange/azure/account"
	"mft.dev/mft/exchange/dir"
	"mft.dev/mft/exchange/probe"
)

// A Depot is the exchange of one agent. One without storage, of a configuration
// that names none, has a nil Exchange and can be closed.
type Depot struct {
	// Exchange is what the agent uses.
	Exchange *exchange.Exchange
	// Name says which storage it is, for people.
	Name string
	// Notes is what an operator should know of how it is used.
	Notes []string

	agent mft.AgentName
	who   *identified // nil where storage does not ask
	does  does
}

// does is what the kinds of storage do each in their way.
type does struct {
	setup func(context.Context) ([]exchange.Step, error)
	check func(ctx context.Context, peer mft.AgentName) []probe.Finding
	// there reports what tells cheaply that setup is missing, without asking a
	// storage that is not there; nil where asking tells.
	there func() error
	close func()
}

// Open opens the exchange of a configuration. It reads secrets and asks nobody.
// Errors have mft.CodeConfig, or mft.CodeBadName when storage cannot have the
// name of the agent.
func Open(cfg *config.Config, env func(string) string) (*Depot, error) {
	d := &Depot{agent: cfg.Agent.Name, does: does{close: func() {}}}
	x := cfg.Exchange
	if x == nil {
		return d, nil
	}
	var err error
	switch {
	case x.Dir != nil:
		err = d.openDir(string(x.Dir.Path))
	case x.Relay != nil:
		err = d.openRelay(cfg)
	case x.NATS != nil:
		err = d.openNATS(x.NATS, env)
	default:
		err = d.openAzure(accountOf(x.Azure, cfg.Agent.Name, env))
	}
	if err == nil {
		d.Exchange.Shared = bool(x.Shared)
	}
	return d, err
}

// Close lets go of connections.
func (d *Depot) Close() { d.does.close() }

func (d *Depot) openDir(path string) error {
	x, err := dir.New(dir.Config{Path: path, Agent: d.agent})
	if err != nil {
		return err
	}
	f := folder{path: path, agent: d.agent, exchange: x}
	d.Exchange, d.Name = &x, "folder "+path
	d.does.setup, d.does.check, d.does.there = f.setup, f.check, f.there
	return nil
}

func (d *Depot) openAzure(c account.Config) error {
	a, err := account.Open(c, account.Parts{})
	if err != nil {
		return err
	}
	s := azure.New(a)
	x := s.Exchange()
	d.Exchange, d.Name, d.Notes = &x, "storage account "+c.Account, c.Notes()
	d.does = does{setup: s.Setup, check: s.Check, close: a.Close}
	return nil
}

// Setup makes what is missing of this agent's part of the storage, and reports
// what it did up to the first error. Doing it again changes nothing.
func (d *Depot) Setup(ctx context.Context) ([]exchange.Step, error) {
	if d.Exchange == nil {
		return nil, errNone()
	}
	return d.does.setup(ctx)
}

// Check tries everything that this agent must be able to do, and with a peer
// what it must and must not do with what is the peer's; "" is for no peer.
// CodeConfig when there is no exchange.
func (d *Depot) Check(ctx context.Context, peer mft.AgentName) ([]probe.Finding, error) {
	if d.Exchange == nil {
		return nil, errNone()
	}
	return d.does.check(ctx, peer), nil
}

// readyTimeout is how long Ready asks at most.
const readyTimeout = 10 * time.Second

// Ready asks the storage, once and without changing anything, whether this
// agent's part is set up and can be reached. The error of one that is not set up
// has mft.CodeNotFound and says what to do.
func (d *Depot) Ready(ctx context.Context) error {
	if d.Exchange == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	err := d.ask(ctx)
	if mft.CodeOf(err) == mft.CodeNotFound {
		return mft.Fail(mft.CodeNotFound, "use the exchange in", d.Name,
			errors.New("this agent has no place there yet: run `mft exchange setup` once, as the user of the agent"))
	}
	return err
}

func (d *Depot) ask(ctx context.Context) error {
	if d.does.there != nil {
		if err := d.does.there(); err != nil {
			return err
		}
	}
	_, err := d.Exchange.Keys.Statements(ctx, d.agent)
	if err != nil && mft.CodeOf(err) != mft.CodeNotFound { // it may never have published any
		return err
	}
	return d.Exchange.Container.List(ctx, func(exchange.Object) bool { return false })
}

func errNone() error {
	return mft.Fail(mft.CodeConfig, "find the exchange", "", errors.New("the configuration names none; see the section exchange in docs/exchange.md"))
}

package depot

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/config"
	"mft.dev/mft/agent/config/leaf"
	"mft.dev/mft/agent/config/storage"
	"mft.dev/mft/exchange/relay/server"
	"mft.dev/mft/exchange/relay/store"
	"mft.dev/mft/exchange/relay/wire"
	"mft.dev/mft/identity"
	"mft.dev/mft/link/transport"
)

// A Served is the relay that this host serves. That of a host that serves none is
// nil, and can be run and closed.
type Served struct {
	server *server.Server
	door   net.Listener
}

// Serve opens what this host keeps for others, if the configuration has it do so,
// and listens. Errors: those of server.Open, and mft.CodeConfig.
func Serve(ctx context.Context, cfg *config.Config, keys *identity.Keys, trust *identity.Trust, log *slog.Logger) (*Served, error) {
	c := cfg.Relay
	if c == nil {
		return nil, nil
	}
	dir := ServedDir(cfg)
	sc := server.Config{
		Name: cfg.Agent.Name, Keys: keys, Trust: trust, Log: log, Limits: limitsOf(c),
		Store: store.Config{Dir: dir, Quota: quotaOf(c), Total: int64(c.Total), Reserve: int64(c.Reserve)},
	}
	for _, name := range c.Agents {
		sc.Agents = append(sc.Agents, mft.AgentName(name))
	}
	if c.Keep != nil {
		sc.Store.Unfinished, sc.Store.Unfetched = time.Duration(c.Keep.Unfinished), time.Duration(c.Keep.Unfetched)
	}
	door, err := transport.Listen(ctx, string(c.Listen))
	if err != nil {
		return nil, fmt.Errorf("relay: %w", err)
	}
	s, err := server.Open(ctx, sc)
	if err != nil {
		return nil, errors.Join(err, door.Close())
	}
	log.Info("this agent is a relay", "listen", door.Addr().String(), "agents", sc.Agents, "dir", dir)
	return &Served{s, door}, nil
}

// ServedDir is where a host keeps what it serves; "" if it serves nothing.
func ServedDir(cfg *config.Config) string {
	switch {
	case cfg.Relay == nil:
		return ""
	case cfg.Relay.Dir != "":
		return string(cfg.Relay.Dir)
	}
	return filepath.Join(cfg.Agent.DataDir, "depot")
}

// Reserve is how much of its file system the relay of a host leaves free, in bytes.
func Reserve(cfg *config.Config) int64 {
	if cfg.Relay.Reserve > 0 {
		return int64(cfg.Relay.Reserve)
	}
	return store.DefaultReserve
}

// Run serves until ctx ends, which is no error.
func (s *Served) Run(ctx context.Context) error {
	if s == nil {
		return nil
	}
	return s.server.Serve(ctx, s.door)
}

// Held returns what is kept for each agent, nil for a host that serves none.
func (s *Served) Held(ctx context.Context) ([]server.Held, error) {
	if s == nil {
		return nil, nil
	}
	return s.server.Held(ctx)
}

// Close gives up what is kept. Run must have returned, or never been called.
func (s *Served) Close() error {
	if s == nil {
		return nil
	}
	if err := s.door.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return errors.Join(err, s.server.Close())
	}
	return s.server.Close()
}

func limitsOf(c *storage.Served) func(mft.AgentName) server.Limits {
	return func(name mft.AgentName) server.Limits {
		q := c.Of(leaf.AgentName(name))
		return server.Limits{Connections: int(q.Connections), Requests: int(q.Requests)}
	}
}

func quotaOf(c *storage.Served) func(mft.AgentName) wire.Quota {
	return func(name mft.AgentName) wire.Quota { return QuotaOf(c, name) }
}

// QuotaOf is what an agent may have at the relay that this host serves.
func QuotaOf(c *storage.Served, name mft.AgentName) wire.Quota {
	q, out := c.Of(leaf.AgentName(name)), store.DefaultQuota(name)
	for to, n := range map[*int64]int64{&out.Letters: int64(q.Letters), &out.Objects: int64(q.Objects), &out.Bytes: int64(q.Bytes)} {
		if n > 0 {
			*to = n
		}
	}
	return out
}

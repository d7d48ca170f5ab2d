// Package server is the relay: it keeps letters and objects for agents that cannot
// reach each other, and serves them over HTTP/2 with TLS 1.3, where both ends show
// the certificates that agents show each other.
//
//	s, err := server.Open(ctx, server.Config{…})
//	defer s.Close()
//	err = s.Serve(ctx, listener)
//
// What a request may do follows from the certificate of the connection and from
// nothing else: whoever is no peer gets no connection, whoever is not served gets no
// answer but that, and an agent gets at its own queue, its own container, its own
// statements, what it was granted, and the slots of the others' letter boxes. The
// package sees no contents: they are sealed. It bounds what a client can take of
// it: connections, requests, sizes, times, and what is kept.
package server

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/exchange/relay/store"
	"mft.dev/mft/exchange/relay/wire"
	"mft.dev/mft/identity"
	"mft.dev/mft/link/gate"
)

// Config is what a relay is made from.
type Config struct {
	// Name is the agent that serves; Keys and Trust are its own.
	Name  mft.AgentName
	Keys  *identity.Keys
	Trust *identity.Trust
	// Agents are those that it serves. They must be peers too.
	Agents []mft.AgentName
	// Store says where things are kept, and how much.
	Store store.Config
	// Limits returns those of an agent; what is 0, or all if it is nil, is as
	// DefaultLimits has it.
	Limits func(mft.AgentName) Limits
	// Stall is how long a body may take, besides its size divided by SlowestRate;
	// DefaultStall if it is 0.
	Stall time.Duration
	Log   *slog.Logger
	// Now is the clock for trust; nil is time.Now.
	Now func() time.Time
}

// Limits bound what one agent can have the relay do at once.
type Limits struct {
	// Connections that are open.
	Connections int
	// Requests a second, on average.
	Requests int
	// AtOnce is how many requests are dealt with at a time, those that wait for
	// letters included.
	AtOnce int
}

// DefaultStall is how long a body may take that is small.
const DefaultStall = 30 * time.Second

// SlowestRate is the least rate at which a body must come, in bytes a second.
const SlowestRate = 16 << 10

// DefaultLimits are those of an agent unless the operator says otherwise.
func DefaultLimits() Limits {
	return Limits{Connections: 16, Requests: 200, AtOnce: 64}
}

// complete fills in what is 0.
func (l Limits) complete() Limits {
	by := DefaultLimits()
	for n, d := range map[*int]int{&l.Connections: by.Connections, &l.Requests: by.Requests, &l.AtOnce: by.AtOnce} {
		if *n == 0 {
			*n = d
		}
	}
	return l
}

// Limits of everybody.
const (
	// greetWithin is the time for a connection to become useful: TLS and the
	// first request.
	greetWithin = 10 * time.Second
	// idleFor is how long a connection without a request stays.
	idleFor = 2 * time.Minute
	// maxHeader bounds what stands before a body, in bytes.
	maxHeader = 8 << 10
	// maxStreams bounds the requests of one connection at a time.
	maxStreams = 32
	// maxPending and maxPendingOf bound the connections that have not greeted yet, of
	// everybody and of one network address.
	maxPending   = 256
	maxPendingOf = 64
	// shutdown is how long answers may take once the relay stops.
	shutdown = 5 * time.Second
)

// A Server is a relay. Its methods may be called concurrently.
type Server struct {
	c       Config
	store   *store.Store
	pending *gate.Gate

	mu      sync.Mutex // guards what follows
	clients map[mft.AgentName]*client
}

// Open opens what the relay keeps. It starts nothing. Errors: those of store.Open.
func Open(ctx context.Context, c Config) (*Server, error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Limits == nil {
		c.Limits = func(mft.AgentName) Limits { return Limits{} }
	}
	if c.Stall == 0 {
		c.Stall = DefaultStall
	}
	c.Store.Collected = func(letters, objects int64) {
		c.Log.Warn("the relay removed what nobody came for", "letters", letters, "objects", objects)
	}
	c.Store.Failed = func(err error) { c.Log.Error("the relay cannot look after what it keeps", "err", err) }
	c.Store.Full = func(err error) {
		c.Log.Warn("the relay is full: agents wait until something was fetched, or there is more room", "err", err)
	}
	st, err := store.Open(ctx, c.Store)
	if err != nil {
		return nil, err
	}
	s := &Server{c: c, store: st, pending: gate.New(maxPending, maxPendingOf), clients: map[mft.AgentName]*client{}}
	for _, name := range c.Agents {
		s.clients[name] = newClient(c.Limits(name).complete(), c.Now)
	}
	return s, nil
}

// Close gives up what the relay keeps. Serve must have returned.
func (s *Server) Close() error { return s.store.Close() }

// Serve answers on ln until ctx ends, then closes ln, waits for the answers under
// way, and returns nil. The error of an earlier return says why ln failed. It can be
// called once.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	for _, name := range s.c.Agents {
		if _, known := s.c.Trust.Peer(name); !known {
			s.c.Log.Warn("the relay is to serve an agent that is no peer yet", "agent", name)
		}
	}
	only := new(http.Protocols)
	only.SetHTTP2(true)
	srv := &http.Server{
		Handler:           s,
		TLSConfig:         s.tls(),
		Protocols:         only,
		ReadHeaderTimeout: greetWithin,
		IdleTimeout:       idleFor,
		MaxHeaderBytes:    maxHeader,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ConnContext:       remember,
		ErrorLog:          log.New(debugLog{s.c.Log}, "", 0),
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: maxStreams, MaxReadFrameSize: 256 << 10,
			MaxReceiveBufferPerConnection: 4 << 20, MaxReceiveBufferPerStream: 2 << 20,
			SendPingTimeout: 30 * time.Second, PingTimeout: 15 * time.Second, WriteByteTimeout: 30 * time.Second,
		},
	}
	var all sync.WaitGroup
	defer all.Wait()
	all.Go(func() { s.store.Run(ctx) })
	stopped := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() {
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdown)
		defer cancel()
		err := srv.Shutdown(grace)
		if err != nil {
			err = srv.Close()
		}
		stopped <- err
	})
	err := srv.Serve(tls.NewListener(&door{Listener: ln, s: s}, srv.TLSConfig))
	if stop() { // not begun: it was ln that failed
		srv.Close()
		return mft.Fail(mft.CodeIO, "serve the relay at", ln.Addr().String(), err)
	}
	if err := <-stopped; err != nil && !errors.Is(err, net.ErrClosed) {
		return mft.Fail(mft.CodeIO, "close the relay at", ln.Addr().String(), err)
	}
	return nil
}

// debugLog takes what net/http has to say of connections that break.
type debugLog struct{ log *slog.Logger }

func (d debugLog) Write(p []byte) (int, error) {
	d.log.Debug("a connection to the relay", "says", string(p))
	return len(p), nil
}

// Held is what the relay keeps for one agent.
type Held struct {
	wire.Place
	// Seen is when it last asked for something; zero if it has not since the start.
	Seen time.Time `json:"seen,omitzero"`
}

// Held returns what the relay keeps, for each agent that it serves.
func (s *Server) Held(ctx context.Context) ([]Held, error) {
	var out []Held
	for _, name := range s.c.Agents {
		place, err := s.store.Place(ctx, name)
		if err != nil {
			return nil, err
		}
		place.Relay = s.c.Name
		out = append(out, Held{Place: place, Seen: s.client(name).lastSeen()})
	}
	return out, nil
}

// client returns what is known of an agent that is served; nil for any other.
func (s *Server) client(name mft.AgentName) *client {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.clients[name]
}

// closeQuietly closes what was only read.
func closeQuietly(c io.Closer) { _ = c.Close() }

package nats

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"mft.dev/mft"
	"mft.dev/mft/exchange/exchangetest"
	"mft.dev/mft/exchange/nats/cluster"
)

// serve runs a server on a port of its own until the test ends. It keeps what it
// has acknowledged.
func serve(t *testing.T, change func(*server.Options)) *server.Server {
	t.Helper()
	o := &server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: t.TempDir(), SyncAlways: true,
		NoSigs: true, NoLog: true,
	}
	if change != nil {
		change(o)
	}
	s, err := server.NewServer(o)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	if !s.ReadyForConnections(20 * time.Second) {
		t.Fatal("the server did not come up")
	}
	return s
}

// number makes names that no other test uses.
var number atomic.Int64

func fresh(name string) mft.AgentName {
	return mft.AgentName(fmt.Sprintf("%s-%d", name, number.Add(1)))
}

// open opens the storage as an agent that sees at once that there is no letter.
func open(t *testing.T, c cluster.Config, o Options) *Storage {
	t.Helper()
	k, err := cluster.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Close)
	if o.Wait == 0 {
		o.Wait = 20 * time.Millisecond
	}
	return New(k, o)
}

func newAgent(t *testing.T, at *server.Server, name mft.AgentName) *Storage {
	t.Helper()
	s := open(t, cluster.Config{Agent: name, Servers: []string{at.ClientURL()}}, Options{})
	if _, err := s.Setup(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestConformance(t *testing.T) {
	at := serve(t, nil)
	exchangetest.Run(t, func(t *testing.T) exchangetest.Bench {
		a, b := newAgent(t, at, fresh("alpha")), newAgent(t, at, fresh("beta"))
		twin := newAgent(t, at, b.agent)
		return exchangetest.Bench{
			NameA: a.agent, NameB: b.agent, Absent: fresh("nobody"),
			A: a.Exchange(), B: b.Exchange(), Twin: twin.Exchange(),
			// The server has a clock that cannot be moved, and ends grants by the second.
			Lease: 2 * time.Second, Life: 2 * time.Second,
			Elapse: func(d time.Duration) { <-time.After(d) },
		}
	})
}

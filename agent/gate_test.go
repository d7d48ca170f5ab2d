package agent_test

import (
	"net"
	"sync"
	"testing"
)

// free is how much of a connection a gate lets through even when it is shut:
// more than messages need, less than the content that tests move.
const free = 512 << 10

// A gate stands before the listener of a host and holds back content while it
// is shut. Messages pass.
type gate struct {
	ln     net.Listener
	target string
	all    sync.WaitGroup

	mu    sync.Mutex
	moved sync.Cond
	shut  bool
	over  bool
	held  int // connections that wait at the gate
	conns []net.Conn
}

// newGate puts an open gate before h, whose agent must not have started.
func newGate(t *testing.T, h *host) *gate {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := &gate{ln: ln, target: h.addr}
	g.moved.L = &g.mu
	h.conf.Agent.Address = ln.Addr().String()
	g.all.Go(g.accept)
	t.Cleanup(g.close)
	return g
}

func (g *gate) accept() {
	for {
		from, err := g.ln.Accept()
		if err != nil {
			return
		}
		to, err := net.Dial("tcp", g.target)
		if err != nil {
			from.Close()
			continue
		}
		g.mu.Lock()
		g.conns = append(g.conns, from, to)
		over := g.over
		g.mu.Unlock()
		if over {
			from.Close()
			to.Close()
		}
		g.all.Go(func() { g.pass(to, from) })
		g.all.Go(func() { g.pass(from, to) })
	}
}

// pass carries what from says to to. It reads on while the gate is shut, so
// that it learns when from is closed, and then drops what it holds.
func (g *gate) pass(to, from net.Conn) {
	chunks := make(chan []byte, 4096) // more than tests move
	g.all.Go(func() {
		defer to.Close()
		for total := 0; ; {
			chunk, ok := <-chunks
			if !ok {
				return
			}
			if total += len(chunk); total > free {
				g.wait()
			}
			if _, err := to.Write(chunk); err != nil {
				from.Close()
			}
		}
	})
	defer close(chunks)
	for {
		buf := make([]byte, 16<<10)
		n, err := from.Read(buf)
		if n > 0 {
			chunks <- buf[:n]
		}
		if err != nil {
			from.Close()
			if g.shutNow() {
				to.Close()
			}
			return
		}
	}
}

func (g *gate) shutNow() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.shut
}

func (g *gate) wait() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.held++
	for g.shut && !g.over {
		g.moved.Wait()
	}
	g.held--
}

// set shuts or opens the gate.
func (g *gate) set(shut bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.shut = shut
	g.moved.Broadcast()
}

// holding reports whether content waits at the gate.
func (g *gate) holding() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.held > 0
}

func (g *gate) close() {
	g.ln.Close()
	g.mu.Lock()
	g.over = true
	g.moved.Broadcast()
	for _, c := range g.conns {
		c.Close()
	}
	g.mu.Unlock()
	g.all.Wait()
}

// A gates pair is two hosts that trust each other, with gates between.
type gates struct{ a, b *gate }

func (g gates) set(shut bool) { g.a.set(shut); g.b.set(shut) }

func (g gates) holding() bool { return g.a.holding() || g.b.holding() }

func gatedPair(t *testing.T) (alpha, beta *host, g gates) {
	t.Helper()
	alpha, beta = newHost(t, "alpha"), newHost(t, "beta")
	g = gates{newGate(t, alpha), newGate(t, beta)}
	alpha.start()
	beta.start()
	pair(t, alpha, beta)
	return alpha, beta, g
}

// Package agent is the daemon on every host: orders, requests of peers and
// arrivals of files become transfers, and transfers run until they have ended.
//
// Make one with [New], serve it with [Agent.Run], which blocks until its
// context ends, and release it with [Agent.Close]:
//
//	a, err := agent.New(agent.Options{Config: cfg, Log: log, Version: version})
//	if err != nil { … }
//	defer a.Close()
//	err = a.Run(ctx)
//
// All other methods may be called by any goroutine while Run runs; package
// localapi offers them on a local socket.
//
// The journal is the truth. A transfer is a row there before its id is given
// to anybody, and whatever is in memory (package queue, the turns) can be lost
// at any moment and is rebuilt from the rows at the next start. What to do next
// is decided by functions without side effects: queue.Decide after an attempt,
// admission.Decide before one.
//
// Up to MaxTransfers sends run at once, and one peer is given at most all but
// one of these places, so that a slow peer cannot hold up the others. Twice as
// many, and no fewer than eight, are accepted from peers at once, half of them
// from one peer. Transfers to a peer that cannot be reached wait for the link:
// one of them tries now and then for all.
//
// The package refuses to decide what the allow list does not say, to run two
// attempts of one transfer at once (package turn), and to leave a state that
// ends a transfer. It is package transfer that reads and writes what is moved.
package agent

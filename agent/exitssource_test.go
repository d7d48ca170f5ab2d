package agent_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mft.dev/mft"
	"mft.dev/mft/agent/conduct/orders"
	"mft.dev/mft/agent/order"
	"mft.dev/mft/journal"
)

// leaving is exit at the source.
func (d *desk) leaving(phase mft.ExitPhase, args ...string) mft.Exit {
	e := d.exit(phase, args...)
	e.At = mft.EndSource
	return e
}

// TestExitsAtTheSource has the sending host run commands in all phases, whichever
// way a transfer takes; those at the destination are not run there.
func TestExitsAtTheSource(t *testing.T) {
	for _, way := range []string{"direct", "relayed"} {
		t.Run(way, func(t *testing.T) {
			d := newDesk(t)
			var alpha, beta *host
			if way == "direct" {
				alpha, beta = newHost(t, "alpha"), newHost(t, "beta")
			} else {
				alpha, beta, _ = apart(t)
			}
			pre := d.leaving(mft.ExitPre, "{fullFilePath}", "{destinationAgent}")
			pre.Match = `\.csv$`
			alpha.conf.Exits = []mft.Exit{
				pre, d.leaving(mft.ExitPost, "{fullFilePath}", "{sourceAgent}", "{destination}"), d.leaving(mft.ExitError, "{code}"),
				d.exit(mft.ExitPre), d.exit(mft.ExitPost), d.exit(mft.ExitError),
			}
			beta.conf.Exits = []mft.Exit{d.leaving(mft.ExitPre), d.leaving(mft.ExitPost), d.leaving(mft.ExitError)}
			alpha.start()
			beta.start()
			if way == "direct" {
				pair(t, alpha, beta)
			}

			// One file: while pre decides, nothing is offered.
			a := write(t, alpha.out, "a.csv", "123")
			id := alpha.copyTo(beta, beta.in+"/", "", a)
			said, conn := d.next()
			if want := fmt.Sprintf(`pre 1 ["%s" "beta"]`, a); said != want {
				t.Errorf("the command says %q, want %q", said, want)
			}
			if got := alpha.kinds(id); strings.Contains(got, "offered") {
				t.Errorf("the sender's events while pre decides: %s", got)
			}
			_, _ = conn.Write([]byte{0})
			conn.Close()
			alpha.await(id, mft.StateDone)
			d.expect(fmt.Sprintf(`post 1 ["%s" "alpha" "%s/"]`, a, beta.in), 5)
			if got := alpha.exited(id, 1); got[0] != 5 {
				t.Errorf("exit status %d, want 5", got[0])
			}
			if got := alpha.awaitIf(id, func(t mft.Transfer) bool { return t.Reason.Code != "" }); got.State != mft.StateDone || got.Reason.Code != mft.CodeExit {
				t.Errorf("the sender's state is %s (%+v), want done with %s", got.State, got.Reason, mft.CodeExit)
			}

			// Several things: pre once for all of them, post for each.
			b := write(t, alpha.out, "x/b.csv", "1")
			write(t, alpha.out, "x/y/1", "1")
			write(t, alpha.out, "x/y/2", "1")
			id = alpha.copyTo(beta, beta.in+"/", "", b, filepath.Join(alpha.out, "x", "y"))
			d.expect(fmt.Sprintf(`pre 1 ["%s/x" "beta"]`, alpha.out), 0)
			d.expect(fmt.Sprintf(`post 1 ["%s" "alpha" "%s/"]`, b, beta.in), 0)
			d.expect(fmt.Sprintf(`post 1 ["%s/x/y" "alpha" "%s/"]`, alpha.out, beta.in), 0)
			alpha.exited(id, 2)

			// What pre refuses is not offered, and fails.
			id = alpha.copyTo(beta, beta.in+"/", "", write(t, alpha.out, "c.csv", "1"))
			d.expect(fmt.Sprintf(`pre 1 ["%s/c.csv" "beta"]`, alpha.out), 1)
			d.expect(`error 1 ["EXIT_REFUSED"]`, 0)
			if got := alpha.await(id, mft.StateFailed); got.Reason.Code != mft.CodeExitRefused || !strings.Contains(got.Reason.Detail, "said by pre") || got.Attempts != 0 {
				t.Errorf("the sender has %+v after %d offers, want %s and none", got.Reason, got.Attempts, mft.CodeExitRefused)
			}
			alpha.exited(id, 1)
			if _, there := tree(t, beta.in)["c.csv"]; there {
				t.Error("what was refused was delivered")
			}

			// What the peer refuses is followed too.
			id = alpha.copyTo(beta, alpha.dir+"/nowhere/", "", write(t, alpha.out, "e", "1"))
			d.expect(`error 1 ["NOT_ALLOWED"]`, 0)
			alpha.await(id, mft.StateRejected)
			alpha.exited(id, 1)
		})
	}
}

// TestExitPutsOffAnOffer: pre at the source may say that now is not the time; once
// the transfer was offered it is not asked again.
func TestExitPutsOffAnOffer(t *testing.T) {
	d := newDesk(t)
	alpha, beta := newHost(t, "alpha"), newHost(t, "beta").start()
	alpha.conf.Exits = []mft.Exit{d.leaving(mft.ExitPre, "{fileName}")}
	alpha.start()
	pair(t, alpha, beta)
	id := alpha.copyTo(beta, beta.in+"/", "", write(t, alpha.out, "a", "1"))
	d.expect(`pre 1 ["a"]`, 75)
	alpha.awaitIf(id, func(t mft.Transfer) bool {
		return t.State == mft.StateWaiting && t.Reason.Code == mft.CodeMaintenance && t.Attempts == 0
	})
	d.expect(`pre 1 ["a"]`, 9)
	alpha.awaitIf(id, func(t mft.Transfer) bool {
		return t.State == mft.StateWaiting && t.Reason.Code == mft.CodeExit && t.Attempts == 0
	})
	d.expect(`pre 1 ["a"]`, 0)
	alpha.await(id, mft.StateDone)
	if got := tree(t, beta.in)["a"]; got != "1" {
		t.Errorf("a is %q, want 1", got)
	}
}

// TestExitsOfAChannelAtTheSource: post runs for each file of a channel that the
// receipt is for, and for none that had gone before it was sent.
func TestExitsOfAChannelAtTheSource(t *testing.T) {
	d := newDesk(t)
	alpha, beta := newHost(t, "alpha"), newHost(t, "beta").start()
	alpha.conf.Channels = []mft.Channel{{
		Name: "box", From: mft.Endpoint{Agent: "alpha", Path: alpha.out}, To: []mft.Endpoint{{Agent: "beta", Path: beta.in}},
		When: []mft.Trigger{{Kind: mft.TriggerManual}}, Overwrite: mft.OverwriteReplace,
	}}
	alpha.conf.Exits = []mft.Exit{d.leaving(mft.ExitPre, "{channel}"), d.leaving(mft.ExitPost, "{fullFilePath}", "{channel}")}
	for i := range alpha.conf.Exits {
		alpha.conf.Exits[i].Channel = "box"
	}
	alpha.start()
	pair(t, alpha, beta)
	for _, name := range []string{"a", "b", "deep/c"} {
		write(t, alpha.out, name, "1")
	}
	if _, err := alpha.agent.Channels().Order(t.Context(), "box", orders.Ask, "somebody"); err != nil {
		t.Fatal(err)
	}
	said, conn := d.next()
	if said != `pre 1 ["box"]` {
		t.Errorf("the command says %q", said)
	}
	if err := os.Remove(filepath.Join(alpha.out, "b")); err != nil {
		t.Fatal(err)
	}
	_, _ = conn.Write([]byte{0})
	conn.Close()
	d.expect(fmt.Sprintf(`post 1 ["%s/a" "box"]`, alpha.out), 0)
	d.expect(fmt.Sprintf(`post 1 ["%s/deep/c" "box"]`, alpha.out), 0)
	rows := alpha.list(journal.Filter{})
	if len(rows) != 1 || rows[0].State != mft.StateDone {
		t.Fatalf("transfers %+v, want one that is done", rows)
	}
	alpha.exited(rows[0].ID, 2)
	// Transfers of no channel are not the channel's.
	alpha.await(alpha.copyTo(beta, beta.in+"/other", "", filepath.Join(alpha.out, "a")), mft.StateDone)
}

// TestExitAtTheSourceAfterRestart ends the sending agent while a command runs: it
// runs again, and knows that it ran before; the delivery stands meanwhile.
func TestExitAtTheSourceAfterRestart(t *testing.T) {
	d := newDesk(t)
	alpha, beta := newHost(t, "alpha"), newHost(t, "beta").start()
	alpha.conf.Exits = []mft.Exit{d.leaving(mft.ExitPost, "{fileName}")}
	alpha.start()
	pair(t, alpha, beta)
	id := alpha.copyTo(beta, beta.in+"/", "", write(t, alpha.out, "a", "1"))
	if said, _ := d.next(); said != `post 1 ["a"]` {
		t.Fatalf("the command says %q", said)
	}
	alpha.await(id, mft.StateDone)
	alpha.stop()
	alpha.start()
	d.expect(`post 2 ["a"]`, 0)
	if got := alpha.exited(id, 1); got[0] != 0 {
		t.Errorf("exit status %d, want 0", got[0])
	}
}

// TestExitAtTheSourceOfARequest: who is asked for files runs commands too.
func TestExitAtTheSourceOfARequest(t *testing.T) {
	d := newDesk(t)
	alpha, beta := newHost(t, "alpha"), newHost(t, "beta").start()
	alpha.conf.Exits = []mft.Exit{d.leaving(mft.ExitPre), d.leaving(mft.ExitPost, "{fullFilePath}", "{destinationAgent}")}
	alpha.start()
	pair(t, alpha, beta)
	a := write(t, alpha.out, "a", "1")
	id, err := beta.agent.Request(t.Context(), order.Request{Agent: "alpha", Path: a, Into: beta.in + "/"})
	if err != nil {
		t.Fatalf("Request: %v", err)
	}
	d.expect(`pre 1 []`, 0)
	d.expect(fmt.Sprintf(`post 1 ["%s" "beta"]`, a), 0)
	alpha.exited(id, 1)
}

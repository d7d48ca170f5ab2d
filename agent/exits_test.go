package agent_test

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/exits"
	"mft.dev/mft/agent/order"
)

const mark = "-mft-command-of-a-test"

// runAsCommand is what the test is when an agent runs it as a command: it tells
// the test what it was given, and ends as that says.
func runAsCommand(addr string, args []string) int {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return 99
	}
	fmt.Fprintf(conn, "%s %s %q\n", os.Getenv("MFT_PHASE"), os.Getenv("MFT_RUN"), args)
	status, err := io.ReadAll(conn)
	if err != nil || len(status) == 0 {
		return 98
	}
	fmt.Println("said by", os.Getenv("MFT_PHASE"))
	return int(status[0])
}

// A desk is where the commands of agents report.
type desk struct {
	t *testing.T
	l net.Listener
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return &desk{t, l}
}

// exit has the test run in phase.
func (d *desk) exit(phase mft.ExitPhase, args ...string) mft.Exit {
	return mft.Exit{Phase: phase, Run: append([]string{os.Args[0], mark, d.l.Addr().String()}, args...), Directory: d.t.TempDir()}
}

// next returns what the next command says, and the way to end it.
func (d *desk) next() (said string, conn net.Conn) {
	d.t.Helper()
	if err := d.l.(*net.TCPListener).SetDeadline(time.Now().Add(patience)); err != nil {
		d.t.Fatal(err)
	}
	conn, err := d.l.Accept()
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { conn.Close() })
	said, err = bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		d.t.Fatal(err)
	}
	return strings.TrimSuffix(said, "\n"), conn
}

// expect wants the next command to say this, and has it end with status.
func (d *desk) expect(want string, status byte) {
	d.t.Helper()
	got, conn := d.next()
	if got != want {
		d.t.Errorf("the command says %q, want %q", got, want)
	}
	if _, err := conn.Write([]byte{status}); err != nil {
		d.t.Error(err)
	}
	conn.Close()
}

// exited waits until all commands of a transfer are over, and returns their
// statuses.
func (h *host) exited(id mft.TransferID, n int) (statuses []int) {
	h.t.Helper()
	h.until("commands of "+id.String(), func() bool {
		list, err := h.agent.Exits(h.t.Context(), id)
		statuses = nil
		for _, e := range list {
			if !e.Ended {
				return false
			}
			statuses = append(statuses, e.Status)
		}
		return err == nil && len(list) == n
	}, func() any { return statuses })
	return statuses
}

// TestExits has commands run in all phases, whichever way a transfer takes.
func TestExits(t *testing.T) {
	for _, way := range []string{"direct", "relayed"} {
		t.Run(way, func(t *testing.T) {
			d := newDesk(t)
			var alpha, beta *host
			if way == "direct" {
				alpha, beta = newHost(t, "alpha").start(), newHost(t, "beta")
			} else {
				alpha, beta, _ = apart(t)
				alpha.start()
			}
			beta.conf.Exits = []mft.Exit{
				d.exit(mft.ExitPre, "{fullFilePath}", "{size}"), d.exit(mft.ExitPost, "{fullFilePath}", "{sourceAgent}"),
				d.exit(mft.ExitError, "{code}"),
			}
			beta.start()
			if way == "direct" {
				pair(t, alpha, beta)
			}
			id := alpha.copyTo(beta, beta.in+"/", "", write(t, alpha.out, "a b", "123"))
			pre := fmt.Sprintf(`pre 1 ["%s" "3"]`, beta.in)
			d.expect(pre, 0)
			if way == "relayed" {
				d.expect(pre, 0) // again with the content
			}
			d.expect(fmt.Sprintf(`post 1 ["%s/a b" "alpha"]`, beta.in), 5)
			alpha.await(id, mft.StateDone)
			if got := beta.exited(id, 1); got[0] != 5 {
				t.Errorf("exit status %d, want 5", got[0])
			}
			if got := beta.await(id, mft.StateDone); got.Reason.Code != mft.CodeExit {
				t.Errorf("the receiver's reason is %+v", got.Reason)
			}
			want := "exit-ended offered accepted moving verified delivered done exit-started exit-ended"
			if got := beta.kinds(id); got != want {
				t.Errorf("receiver's events: %s, want %s", got, want)
			}

			// Files of a directory that is new.
			write(t, alpha.out, "new/x/1", "1")
			write(t, alpha.out, "new/2", "2")
			id = alpha.copyTo(beta, beta.in+"/", "", filepath.Join(alpha.out, "new"))
			for range map[string]int{"direct": 1, "relayed": 2}[way] {
				d.expect(strings.Replace(pre, `"3"`, `"0"`, 1) /* of a directory nothing is announced */, 0)
			}
			said := map[string]bool{}
			for range 2 {
				got, conn := d.next()
				said[got] = true
				_, _ = conn.Write([]byte{0})
				conn.Close()
			}
			if !said[fmt.Sprintf(`post 1 ["%s/new/x/1" "alpha"]`, beta.in)] || !said[fmt.Sprintf(`post 1 ["%s/new/2" "alpha"]`, beta.in)] {
				t.Errorf("for a directory there ran %q", slices.Sorted(maps.Keys(said)))
			}
			beta.exited(id, 2)

			// What is refused is not delivered, and nothing follows.
			id = alpha.copyTo(beta, beta.in+"/", "", write(t, alpha.out, "b", "1234"))
			d.expect(fmt.Sprintf(`pre 1 ["%s" "4"]`, beta.in), 1)
			sent := alpha.awaitIf(id, func(t mft.Transfer) bool { return t.State.Terminal() })
			if sent.State != mft.StateRejected || sent.Reason.Code != mft.CodeExitRefused || !strings.Contains(sent.Reason.Detail, "said by pre") {
				t.Errorf("the sender's state is %s (%+v), want rejected", sent.State, sent.Reason)
			}
			if _, there := tree(t, beta.in)["b"]; there {
				t.Error("what was refused was delivered")
			}
		})
	}
}

// TestExitOfARequest: who asks for files has commands run too.
func TestExitOfARequest(t *testing.T) {
	d := newDesk(t)
	alpha, beta := newHost(t, "alpha").start(), newHost(t, "beta")
	beta.conf.Exits = []mft.Exit{d.exit(mft.ExitPre), d.exit(mft.ExitPost, "{fileName}")}
	beta.start()
	pair(t, alpha, beta)
	write(t, alpha.out, "a", "1")
	id, err := beta.agent.Request(t.Context(), order.Request{Agent: "alpha", Path: alpha.out + "/a", Into: beta.in + "/"})
	if err != nil {
		t.Fatalf("Request: %v", err)
	}
	d.expect(`pre 1 []`, 0)
	d.expect(`post 1 ["a"]`, 0)
	beta.exited(id, 1)
}

// TestExitOfAFailure: what was delivered of a transfer that failed is followed,
// and so is the failure.
func TestExitOfAFailure(t *testing.T) {
	d := newDesk(t)
	alpha, beta := newHost(t, "alpha").start(), newHost(t, "beta")
	beta.conf.Exits = []mft.Exit{d.exit(mft.ExitPost, "{fileName}"), d.exit(mft.ExitError, "{code}")}
	beta.start()
	pair(t, alpha, beta)
	write(t, alpha.out, "d/a", "new")
	write(t, alpha.out, "d/b", "new")
	write(t, beta.in, "d/a", "old")
	id := alpha.copyTo(beta, beta.in+"/", mft.OverwriteNever, filepath.Join(alpha.out, "d"))
	d.expect(`post 1 ["b"]`, 0)
	d.expect(`error 1 ["PARTIAL"]`, 0)
	beta.exited(id, 2)
	if got := beta.await(id, mft.StateFailed); got.Reason.Code != mft.CodePartial {
		t.Errorf("the receiver's reason is %+v", got.Reason)
	}
}

// TestExitAfterRestart ends the agent while as many commands run as may, and
// others have not begun: each runs, and knows whether it ran before.
func TestExitAfterRestart(t *testing.T) {
	d := newDesk(t)
	alpha, beta := newHost(t, "alpha").start(), newHost(t, "beta")
	beta.conf.Exits = []mft.Exit{d.exit(mft.ExitPost, "{fileName}")}
	beta.start()
	pair(t, alpha, beta)
	var ids []mft.TransferID
	want := map[string]bool{}
	for i := range exits.AtOnce {
		name := fmt.Sprint("running", i)
		ids = append(ids, alpha.copyTo(beta, beta.in+"/", "", write(t, alpha.out, name, "1")))
		said, _ := d.next()
		if said != fmt.Sprintf(`post 1 ["%s"]`, name) {
			t.Fatalf("the command says %q", said)
		}
		want[fmt.Sprintf(`post 2 ["%s"]`, name)] = true
	}
	for i := range 2 {
		name := fmt.Sprint("waiting", i)
		id := alpha.copyTo(beta, beta.in+"/", "", write(t, alpha.out, name, "1"))
		ids = append(ids, id)
		alpha.await(id, mft.StateDone)
		want[fmt.Sprintf(`post 1 ["%s"]`, name)] = true
	}
	beta.stop()
	beta.start()
	got := map[string]bool{}
	for range want {
		said, conn := d.next()
		got[said] = true
		if _, err := conn.Write([]byte{0}); err != nil {
			t.Error(err)
		}
		conn.Close()
	}
	if !maps.Equal(got, want) {
		t.Errorf("after the restart there ran %q, want %q", slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)))
	}
	for _, id := range ids {
		if got := beta.exited(id, 1); got[0] != 0 {
			t.Errorf("exit status %d, want 0", got[0])
		}
	}
}

// TestExitsThatCannotBe: an agent does not start with an exit that it cannot run.
func TestExitsThatCannotBe(t *testing.T) {
	h := newHost(t, "alpha")
	h.conf.Exits = []mft.Exit{{Phase: mft.ExitPost, Run: []string{"/bin/true"}, User: "no-such-user-of-mft"}}
	if a, err := newAgent(h); mft.CodeOf(err) != mft.CodeConfig {
		if err == nil {
			a.Close()
		}
		t.Errorf("New = %v, want %s", err, mft.CodeConfig)
	}
}

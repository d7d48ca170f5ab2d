package launch

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/config"
	"mft.dev/mft/agent/exits/process"
	"mft.dev/mft/agent/exits/rule"
	"mft.dev/mft/agent/seat"
	"mft.dev/mft/internal/plain"
	"mft.dev/mft/internal/post"
)

func TestMain(m *testing.M) {
	if status, asked := process.Become(os.Args); asked {
		os.Exit(status)
	}
	os.Exit(m.Run())
}

// compiled returns the rule of an exit of phase post, and what it makes of a file.
func compiled(t *testing.T, e mft.Exit) (*rule.Rule, *rule.Run) {
	t.Helper()
	e.Phase = mft.ExitPost
	r, _, err := rule.Compile(e)
	if err != nil {
		t.Fatal(err)
	}
	run := r.Run(rule.Facts{Phase: mft.ExitPost, Agent: "ledger", Peer: "erp", Path: "/srv/in/a b;c\n.csv", Size: 7, Sources: []string{"/srv/out"}})
	return r, &run
}

// launched returns the agent's end of a process that has the task of an exit, but is this
// one, and what it returns.
func launched(t *testing.T, e mft.Exit, hidden ...string) (*post.Conn, <-chan error) {
	t.Helper()
	here, there, err := post.Pair()
	if err != nil {
		t.Fatal(err)
	}
	agent, err := post.Open(there)
	if err != nil {
		t.Fatal(err)
	}
	e.Phase = mft.ExitPost
	task := Task{Exit: &e, Hidden: hidden, UID: uint32(os.Geteuid()), GID: uint32(os.Getegid())}
	returned := make(chan error, 1)
	go func() { returned <- task.serve(t.Context(), agent) }()
	t.Cleanup(func() { here.Close(); agent.Close() })
	return here, returned
}

// from has the process at the other end of a connection run a command, for the nth time.
func from(ctx context.Context, conn *post.Conn, run *rule.Run, nth int) (process.Outcome, error) {
	d := Desk{Table: tableOf(run.Rule.Exit()), Start: func(context.Context, seat.Request) (*post.Conn, error) { return conn, nil }}
	return d.Run(ctx, 0, run, nth)
}

func tableOf(e mft.Exit) *seat.Table {
	return seat.Of(&config.Config{Exits: []mft.Exit{e}})
}

// script makes a program of sh.
func script(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(name, []byte("#!/bin/sh\n"+text+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return name
}

// TestRun: what runs is what the supervisor said, with what the agent says has happened.
func TestRun(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(secret, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	e := mft.Exit{Run: []string{script(t, `printf '%s|' "$@" "$MFT_SIZE" "$MFT_RUN"; cat `+secret+` 2>/dev/null; exit 3`), "{fullFilePath}", "{sourceAgent}"}}
	conn, returned := launched(t, e, secret)
	// The agent takes it for another command: that counts for nothing.
	_, run := compiled(t, mft.Exit{Run: []string{"/bin/true"}})
	got, err := from(t.Context(), conn, run, 2)
	if err != nil || got.Status != 3 || string(got.Output) != "/srv/in/a b;c\n.csv|erp|7|2|" {
		t.Errorf("Run = %+v, %v: %q", got, err, got.Output)
	}
	if err := <-returned; err != nil {
		t.Errorf("the process: %v", err)
	}
	e = mft.Exit{Run: []string{filepath.Join(t.TempDir(), "missing")}}
	conn, _ = launched(t, e)
	_, run = compiled(t, e)
	if got, err := from(t.Context(), conn, run, 1); mft.CodeOf(err) != mft.CodeExit || !strings.Contains(err.Error(), "missing") || got.OK() {
		t.Errorf("a program that is not there: %+v, %v", got, err)
	}
}

// TestStop: a command is stopped when it is not wanted any more, and at its time limit.
func TestStop(t *testing.T) {
	ready := filepath.Join(t.TempDir(), "ready")
	e := mft.Exit{Run: []string{script(t, "trap 'echo stopped; exit 4' TERM; touch "+ready+"; while :; do sleep 0.01; done")}}
	_, run := compiled(t, e)
	conn, _ := launched(t, e)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		for !exists(ready) && t.Context().Err() == nil {
			time.Sleep(time.Millisecond)
		}
		cancel()
	}()
	if got, err := from(ctx, conn, run, 1); err != nil || !got.Stopped || !strings.Contains(string(got.Output), "stopped") {
		t.Errorf("stopped: %+v, %v: %q", got, err, got.Output)
	}
	e.Timeout = time.Millisecond
	conn, _ = launched(t, e)
	if got, err := from(t.Context(), conn, run, 1); err != nil || !got.TimedOut {
		t.Errorf("at its time limit: %+v, %v", got, err)
	}
}

func exists(name string) bool {
	_, err := os.Lstat(name)
	return err == nil
}

// TestStoppedByOthers: a command whose process was told to end, and not by the agent, has failed.
func TestStoppedByOthers(t *testing.T) {
	_, run := compiled(t, mft.Exit{Run: []string{"/bin/true"}})
	conn, there := answering(t, post.Message{Kind: kindEnded, Payload: plain.Append(nil, ended{Outcome: process.Outcome{Status: -1, Stopped: true}})})
	a := asked{"/bin/true", time.Minute, time.Millisecond}
	if got, err := a.from(t.Context(), conn, order{run.Facts, 1}); mft.CodeOf(err) != mft.CodeExit || got.Stopped {
		t.Errorf("from = %+v, %v", got, err)
	}
	there.Close()
}

// answering returns a connection on which a message has been sent.
func answering(t *testing.T, m post.Message) (conn, there *post.Conn) {
	t.Helper()
	conn, file, err := post.Pair()
	if err != nil {
		t.Fatal(err)
	}
	if there, err = post.Open(file); err != nil {
		t.Fatal(err)
	}
	go func() { _ = there.Send(m) }() // it may be too much to be taken
	return conn, there
}

// TestAgentGoes: a process whose agent has gone returns at once, whatever its command does.
func TestAgentGoes(t *testing.T) {
	ready := filepath.Join(t.TempDir(), "ready")
	e := mft.Exit{Run: []string{script(t, "echo $$ > "+ready+".new; mv "+ready+".new "+ready+"; exec sleep 60")}}
	_, run := compiled(t, e)
	conn, returned := launched(t, e)
	if err := conn.Send(post.Message{Kind: kindOrder, Payload: plain.Append(nil, order{run.Facts, 1})}); err != nil {
		t.Fatal(err)
	}
	for !exists(ready) {
		time.Sleep(time.Millisecond)
	}
	conn.Close()
	if err := <-returned; err == nil || !strings.Contains(err.Error(), "gone") {
		t.Errorf("the process returns %v", err)
	}
}

// TestNonsense: whoever says what makes no sense is heard no further, at both ends.
func TestNonsense(t *testing.T) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	ran := filepath.Join(t.TempDir(), "ran")
	e := mft.Exit{Run: []string{"/bin/touch", ran}}
	_, run := compiled(t, e)
	good := plain.Append(nil, order{run.Facts, 1})
	for name, m := range map[string]post.Message{
		"another kind": {Kind: 9, Payload: good},
		"a stop":       {Kind: kindStop},
		"an answer":    {Kind: kindEnded, Payload: good},
		"a task":       {Kind: kindOrder, Payload: plain.Append(nil, Task{Exit: &e})},
		"too short":    {Kind: kindOrder, Payload: good[:len(good)-1]},
		"too long":     {Kind: kindOrder, Payload: append(good[:len(good):len(good)], 0)},
		"far too long": {Kind: kindOrder, Payload: make([]byte, maxOrder+1)},
		"with a file":  {Kind: kindOrder, Payload: good, File: null},
	} {
		conn, returned := launched(t, e)
		go func() { _ = conn.Send(m) }() // as above
		if err := <-returned; mft.CodeOf(err) != mft.CodeInternal {
			t.Errorf("an agent that says %s: %v", name, err)
		}
		reply := m
		if m.Kind == kindOrder {
			reply.Kind = kindEnded // and a process that does
		}
		answered, there := answering(t, reply)
		if got, err := from(t.Context(), answered, run, 1); mft.CodeOf(err) != mft.CodeExit || got.OK() {
			t.Errorf("a process that says %s: %+v, %v", name, got, err)
		}
		there.Close()
	}
	if exists(ran) {
		t.Error("the command has run")
	}
}

// TestNoTask: a process that is not told its task ends.
func TestNoTask(t *testing.T) {
	task := plain.Append(nil, Task{Exit: &mft.Exit{Run: []string{"/bin/true"}}})
	for name, m := range map[string]post.Message{
		"no connection": {Kind: KindTask, Payload: task},
		"another kind":  {Kind: 7, Payload: task},
		"nothing in it": {Kind: KindTask},
	} {
		here, there, err := post.Pair()
		if err != nil {
			t.Fatal(err)
		}
		if err := here.Send(m); err != nil {
			t.Fatal(err)
		}
		if err := Main(t.Context(), there); mft.CodeOf(err) != mft.CodeInternal {
			t.Errorf("%s: %v", name, err)
		}
		here.Close()
	}
}

// TestCheck: the check of a guard is run as it stands there: it has no variables, and nothing has happened.
func TestCheck(t *testing.T) {
	g := mft.Guard{Check: []string{script(t, `printf '%s|' "$@" "$MFT_PATH"; exit 5`), "{fullFilePath}", "{"}, Timeout: time.Minute}
	here, there, err := post.Pair()
	if err != nil {
		t.Fatal(err)
	}
	agent, err := post.Open(there)
	if err != nil {
		t.Fatal(err)
	}
	defer agent.Close()
	task := Task{Check: &g, UID: uint32(os.Geteuid()), GID: uint32(os.Getegid())}
	returned := make(chan error, 1)
	go func() { returned <- task.serve(t.Context(), agent) }()
	c := mft.Channel{Name: "c", From: mft.Endpoint{Agent: "erp"}, Guard: g}
	cfg := config.Config{Channels: []mft.Channel{c}, Agent: config.Agent{Name: "erp", User: "mft"}}
	d := Desk{Table: seat.Of(&cfg), Start: func(_ context.Context, r seat.Request) (*post.Conn, error) {
		if found, err := seat.Of(&cfg).FindCommand(r); err != nil || found.RunAs.User != "mft" || found.Program() != g.Check[0] {
			t.Errorf("it asks for %+v, %v", found, err)
		}
		return here, nil
	}}
	if got, err := d.Check(t.Context(), "c", g); err != nil || got.Status != 5 || string(got.Output) != "{fullFilePath}|{||" {
		t.Errorf("Check = %+v, %v: %q", got, err, got.Output)
	}
	if err := <-returned; err != nil {
		t.Errorf("the process: %v", err)
	}
	if got, err := d.Check(t.Context(), "another", g); mft.CodeOf(err) != mft.CodeExit || got.OK() {
		t.Errorf("of a channel that has none: %+v, %v", got, err)
	}
}

// TestOfExit: nothing of the agent is in reach but what the command runs for.
func TestOfExit(t *testing.T) {
	for _, tt := range []struct {
		at   mft.End
		path string
		want string
	}{
		{mft.EndDestination, "/srv/in/f", "[/data /keys]"},
		{mft.EndDestination, "/data/in/f", "[/keys]"},
		{mft.EndDestination, "/database/f", "[/data /keys]"},
		{mft.EndSource, "/data/in/f", "[/data /keys]"},
	} {
		r, _ := compiled(t, mft.Exit{Run: []string{"/bin/true"}, Network: true})
		run := r.Run(rule.Facts{At: tt.at, Path: tt.path})
		o := OfExit(&run, 3, process.Who{}, []string{"/data", "/keys"})
		if o.Walls == nil || !o.Walls.Network || fmt.Sprint(o.Walls.Hidden) != tt.want || o.Env[len(o.Env)-1] != "MFT_RUN=3" {
			t.Errorf("%s of the %s: %+v", tt.path, tt.at, o)
		}
	}
	r, _ := compiled(t, mft.Exit{Run: []string{"/bin/true"}, Unconfined: true})
	run := r.Run(rule.Facts{})
	if o := OfExit(&run, 1, process.Who{}, nil); o.Walls != nil {
		t.Errorf("an unconfined command has walls: %+v", o.Walls)
	}
}

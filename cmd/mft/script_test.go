package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"mft.dev/mft"
	"mft.dev/mft/agent/localapi"
	"mft.dev/mft/agent/localapi/channel"
	"mft.dev/mft/internal/rig"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"mft": main})
}

// TestScript runs the scripts in testdata/script, which type commands as a
// person does. Besides the commands of testscript they have
//
//	exits STATUS PROGRAM ARGS…   exec, for a program that ends with STATUS
//	await NAME                   wait until the agent of host NAME answers
//	linked NAME PEER             wait until NAME is connected to PEER
//	appears FILE                 wait until there is such a file
//	holds FILE TEXT              wait until the text stands in it
//	says PATTERN PROGRAM ARGS…   run a program until it succeeds and a line that it prints matches
//	holding NAME                 wait until the run of channel NAME at alpha is held
//	ended ID                     wait until the agent of MFT_CONFIG has run all commands because of transfer ID, and there is one
//
// and a directory for each of the hosts alpha, beta and gamma, with a
// configuration mft.yaml and directories in and out.
func TestScript(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Setup:               makeHosts,
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"exits": exitsWith, "await": await, "linked": linked, "appears": appears, "holds": holds, "ended": ended, "holding": holding,
			"says": says,
		},
		Condition: func(cond string) (bool, error) {
			if cond == "root" {
				return os.Geteuid() == 0, nil
			}
			return false, fmt.Errorf("unknown condition %q", cond)
		},
	})
}

// patience is how long the scripts wait for what has to happen.
const patience = time.Minute

func makeHosts(env *testscript.Env) error {
	for _, name := range []string{"alpha", "beta", "gamma"} {
		dir := filepath.Join(env.WorkDir, name)
		for _, d := range []string{"in", "out"} {
			if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
				return err
			}
		}
		address, err := rig.FreeAddr()
		if err != nil {
			return err
		}
		text := fmt.Sprintf("agent: {name: %s, listen: %q, data: %q}\n", name, address, filepath.Join(dir, "data"))
		if err := os.WriteFile(filepath.Join(dir, "mft.yaml"), []byte(text), 0o644); err != nil {
			return err
		}
		env.Setenv(strings.ToUpper(name), address)
	}
	return nil
}

func exitsWith(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits STATUS PROGRAM ARGS…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	err = ts.Exec(args[1], args[2:]...)
	var ended *exec.ExitError
	switch {
	case errors.As(err, &ended):
		got = ended.ExitCode()
	case err != nil:
		ts.Fatalf("%v", err)
	}
	if got != want {
		ts.Fatalf("%q ended with %d, want %d", args[1:], got, want)
	}
}

func client(ts *testscript.TestScript, name string) *localapi.Client {
	return localapi.NewClient(filepath.Join(ts.Getenv("WORK"), name, "data", "agent.sock"))
}

// until asks again and again until what returns nil.
func until(ts *testscript.TestScript, what func(ctx context.Context) error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for {
		err := what(ctx)
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			ts.Fatalf("%v", err)
		case <-again.C:
		}
	}
}

func await(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: await NAME")
	}
	until(ts, func(ctx context.Context) error {
		_, err := client(ts, args[0]).Status(ctx)
		return err
	})
}

func ended(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: ended ID")
	}
	id, err := mft.ParseTransferID(args[0])
	ts.Check(err)
	host := filepath.Base(filepath.Dir(ts.Getenv("MFT_CONFIG")))
	until(ts, func(ctx context.Context) error {
		detail, err := client(ts, host).Transfer(ctx, id)
		if err != nil {
			return err
		}
		if len(detail.Exits) == 0 {
			return fmt.Errorf("no command has run because of %s", id)
		}
		for _, e := range detail.Exits {
			if e.State != "ended" {
				return fmt.Errorf("%s has not ended: %s", e.Command, e.State)
			}
		}
		return nil
	})
}

func holding(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: holding NAME")
	}
	until(ts, func(ctx context.Context) error {
		c, err := channel.Client{Client: client(ts, "alpha").Client}.Show(ctx, args[0])
		if err == nil && (!c.Held || len(c.Underway) == 0 || c.Underway[0].State != mft.StatePaused) {
			err = fmt.Errorf("%s is not held: %+v", args[0], c)
		}
		return err
	})
}

func appears(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: appears FILE")
	}
	until(ts, func(context.Context) error {
		_, err := os.Stat(ts.MkAbs(args[0]))
		return err
	})
}

func holds(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: holds FILE TEXT")
	}
	until(ts, func(context.Context) error {
		content, err := os.ReadFile(ts.MkAbs(args[0]))
		if err == nil && !strings.Contains(string(content), args[1]) {
			err = fmt.Errorf("%s does not hold %q: %s", args[0], args[1], content)
		}
		return err
	})
}

// says is for what an agent tells that answers before its channels have looked at what is due.
func says(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: says PATTERN PROGRAM ARGS…")
	}
	pattern, err := regexp.Compile("(?m)" + args[0])
	ts.Check(err)
	until(ts, func(context.Context) error {
		if err := ts.Exec(args[1], args[2:]...); err != nil {
			return err
		}
		if out := ts.ReadFile("stdout"); !pattern.MatchString(out) {
			return fmt.Errorf("%q does not say %q: %s", args[1:], args[0], out)
		}
		return nil
	})
}

func linked(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: linked NAME PEER")
	}
	until(ts, func(ctx context.Context) error {
		peers, err := client(ts, args[0]).Peers(ctx)
		for _, p := range peers {
			if string(p.Name) == args[1] && p.Link == "up" {
				return nil
			}
		}
		return errors.Join(err, fmt.Errorf("%s is not connected to %s: %+v", args[0], args[1], peers))
	})
}

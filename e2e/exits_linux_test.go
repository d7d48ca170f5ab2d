package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"mft.dev/mft"
)

// TestEveryCallWithExits strikes as TestEveryCall does where a command follows
// each file, also while the commands are run: for each file that was delivered
// one runs at least once, under a number that is new each time, and for nothing
// else.
func TestEveryCallWithExits(t *testing.T) {
	needs(t, canTrace, "the tracer does not know this machine")
	for _, tt := range []struct {
		name string
		take bool
	}{{"kill", false}, {"kill, files taken away", true}} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			alpha, beta := newPair(t)
			e := followed(beta)
			d := &delivery{
				t: t, rnd: chance(t), from: alpha, to: beta, struck: beta, spec: tracing{Strike: strikeKill}, ledger: newLedger(),
			}
			d.make, d.after = d.tree, func(id mft.TransferID) { e.await(id, 5) }
			d.strikeAll(sample(9, 1), tt.take)
			e.verdict(d.ledger)
		})
	}
}

// TestEveryCallWithExitsAtTheSource kills the sending agent as TestEveryCall does
// where a command decides before each transfer is offered and another follows it,
// also while they run: neither is left out, none runs for anything else, the second
// never before everything has arrived, and a run of it is never taken for another.
func TestEveryCallWithExitsAtTheSource(t *testing.T) {
	needs(t, canTrace, "the tracer does not know this machine")
	alpha, beta := newPair(t)
	e := leading(alpha, beta)
	d := &delivery{
		t: t, rnd: chance(t), from: alpha, to: beta, struck: alpha, spec: tracing{Strike: strikeKill}, ledger: newLedger(),
	}
	var sent []string
	d.make = func(n int) string {
		top := d.tree(n)
		sent = append(sent, filepath.Clean(top))
		return top
	}
	d.after = func(id mft.TransferID) { e.await(id, 1) }
	d.strikeAll(sample(9, 1), false)
	e.deeds(sent)
}

// leading has commands run because of each transfer that h sends to another: one
// before it is offered, and one when it is done, which looks for the last of its
// files there.
func leading(h, to *host) *exits {
	h.t.Helper()
	e := &exits{h, filepath.Join(h.Dir, "exits", "ran")}
	if err := os.MkdirAll(filepath.Dir(e.ran), 0o755); err != nil {
		h.t.Fatal(err)
	}
	command := filepath.Join(h.Dir, "command")
	text := fmt.Sprintf("#!/bin/sh\nn=${1##*/call}\nif [ -e %q/$n.dir/sub/small ]; then there=yes; else there=no; fi\n"+
		"echo \"$MFT_PHASE $MFT_RUN $there $1\" >>%q\n", to.In(), e.ran)
	if err := os.WriteFile(command, []byte(text), 0o755); err != nil {
		h.t.Fatal(err)
	}
	const one = "{phase: %s, at: source, run: [%q, \"{fullFilePath}\"], directory: %q}"
	h.configure(fmt.Sprintf("\nexits: ["+one+", "+one+"]\n", "pre", command, h.Dir, "post", command, h.Dir))
	return e
}

// deeds holds what ran at the source against what was sent.
func (e *exits) deeds(sent []string) {
	e.h.t.Helper()
	content, err := os.ReadFile(e.ran)
	if err != nil {
		e.h.t.Fatal(err)
	}
	asked, followed, again := map[string]bool{}, map[string]bool{}, 0
	for line := range strings.Lines(string(content)) {
		f := strings.SplitN(strings.TrimSpace(line), " ", 4)
		switch path := f[3]; {
		case !slices.Contains(sent, path):
			e.h.t.Errorf("a command ran for %q, which was never sent", path)
		case f[0] == "pre" && f[2] != "no":
			e.h.t.Errorf("a command was asked about %s, which had arrived", path)
		case f[0] == "pre":
			asked[path] = true
		case !asked[path] || f[2] != "yes":
			e.h.t.Errorf("%s was followed before it had arrived, or was not asked about", path)
		case followed[f[1]+path]:
			e.h.t.Errorf("two runs for %s have the number %s", path, f[1])
		default:
			followed[f[1]+path], followed[path] = true, true
			if f[1] != "1" {
				again++
			}
		}
	}
	for _, path := range sent {
		if !followed[path] {
			e.h.t.Errorf("no command followed %s", path)
		}
	}
	e.h.t.Logf("commands followed %d transfers, %d of them not for the first time", len(sent), again)
}

// exits are commands that write down for which files they run.
type exits struct {
	h   *host
	ran string // the file that they write to, in lines of run and path
}

// followed has a command run for each file that h receives.
func followed(h *host) *exits {
	h.t.Helper()
	// Beside the agent's data nothing can be made by a command.
	e := &exits{h, filepath.Join(h.Dir, "exits", "ran")}
	if err := os.MkdirAll(filepath.Dir(e.ran), 0o755); err != nil {
		h.t.Fatal(err)
	}
	command := filepath.Join(h.Dir, "command")
	text := fmt.Sprintf("#!/bin/sh\necho \"$MFT_RUN $1\" >>%q\n", e.ran)
	if err := os.WriteFile(command, []byte(text), 0o755); err != nil {
		h.t.Fatal(err)
	}
	h.configure(fmt.Sprintf("\nexits: [{phase: post, run: [%q, \"{fullFilePath}\"], directory: %q}]\n", command, h.Dir))
	return e
}

// await returns when n commands have ended because of a transfer, whatever
// happens to the agent meanwhile.
func (e *exits) await(id mft.TransferID, n int) {
	e.h.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), *patience)
	defer cancel()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		detail, err := e.h.api().Transfer(ctx, id)
		ended := 0
		for _, one := range detail.Exits {
			if one.State == "ended" && one.Code.OK() {
				ended++
			}
		}
		if err == nil && ended == n {
			return
		}
		select {
		case <-ctx.Done():
			e.h.t.Errorf("%s: %d commands because of transfer %s have ended well, want %d (%v)\n%+v",
				e.h.Name, ended, id, n, errors.Join(err, ctx.Err()), detail.Exits)
			return
		case <-again.C:
		}
	}
}

// verdict holds what ran against what was sent.
func (e *exits) verdict(l *ledger) {
	e.h.t.Helper()
	content, err := os.ReadFile(e.ran)
	if err != nil {
		e.h.t.Fatal(err)
	}
	runs, twice := map[string]bool{}, 0
	for line := range strings.Lines(string(content)) {
		number, path, _ := strings.Cut(strings.TrimSpace(line), " ")
		name, err := filepath.Rel(e.h.In(), path)
		if _, sent := l.made[name]; err != nil || !sent {
			e.h.t.Errorf("a command ran for %q, which was never sent", path)
		}
		if runs[line] {
			e.h.t.Errorf("two runs for %s have the number %s", name, number)
		}
		if number != "1" {
			twice++
		}
		runs[line], runs[name] = true, true
	}
	for _, name := range l.order {
		if !runs[name] {
			e.h.t.Errorf("no command ran for %s", name)
		}
	}
	e.h.t.Logf("commands ran for %d files, %d of them not for the first time", len(l.order), twice)
}

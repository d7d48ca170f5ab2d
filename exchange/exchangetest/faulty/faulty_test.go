package faulty_test

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/exchange"
	"mft.dev/mft/exchange/dir"
	"mft.dev/mft/exchange/exchangetest/faulty"
)

// folder returns an exchange in a shared folder with one agent.
func folder(t *testing.T) exchange.Exchange {
	t.Helper()
	path := t.TempDir()
	if _, err := dir.Setup(t.Context(), path, "alpha"); err != nil {
		t.Fatal(err)
	}
	x, err := dir.New(dir.Config{Path: path, Agent: "alpha", Wait: -1})
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// work puts letters and moves objects as somebody does who tries again, and
// returns the letters that came.
func work(t *testing.T, x exchange.Exchange) map[string]int {
	t.Helper()
	ctx := t.Context()
	again := func(what string, call func() error) {
		t.Helper()
		for range 50 {
			switch err := call(); mft.CodeOf(err) {
			case mft.CodeOK:
				return
			case mft.CodeUnreachable, mft.CodeDisconnected, mft.CodeExpired, mft.CodeCorrupt:
			default:
				t.Fatalf("%s: %v", what, err)
			}
		}
		t.Fatalf("%s: failed 50 times", what)
	}
	for i := range 10 {
		again("Put", func() error { return x.Queue.Put(ctx, "alpha", fmt.Appendf(nil, "letter %d", i)) })
	}
	came := map[string]int{}
	for quiet := 0; quiet < 10; quiet++ {
		letters, err := x.Queue.Take(ctx, 4, time.Hour)
		if err != nil {
			continue
		}
		for _, l := range letters {
			quiet = 0
			if err := x.Queue.Renew(ctx, &l, time.Hour); err != nil {
				continue // it comes again
			}
			if strings.HasPrefix(string(l.Body), "letter ") {
				came[string(l.Body)]++
			}
			_ = x.Queue.Remove(ctx, &l)
		}
	}
	whole := bytes.Repeat([]byte("0123456789abcdef"), 1<<8)
	for i := range 4 {
		again("Stage", func() error { return x.Container.Stage(ctx, "object", i, whole[i<<10:(i+1)<<10]) })
	}
	again("Publish", func() error { return x.Container.Publish(ctx, "object", 4) })
	again("Read", func() error { // with a new grant each time
		got := make([]byte, len(whole))
		g, err := x.Container.Grant(ctx, "object", exchange.MaxGrant)
		for i := 0; i < 4 && err == nil; i++ {
			err = x.Reader.Read(ctx, g.Ref, int64(i<<10), got[i<<10:(i+1)<<10])
		}
		if err == nil && !bytes.Equal(got, whole) {
			err = &mft.Error{Code: mft.CodeCorrupt}
		}
		return err
	})
	again("List", func() error { return x.Container.List(ctx, func(exchange.Object) bool { return true }) })
	again("Remove", func() error { return x.Container.Remove(ctx, "object") })
	again("Publish statement", func() error { return x.Keys.Publish(ctx, "id", []byte("statement")) })
	again("Statements", func() error { _, err := x.Keys.Statements(ctx, "alpha"); return err })
	return came
}

func TestFaulty(t *testing.T) {
	seen := map[faulty.Harm]bool{}
	for seed := range uint64(8) {
		x := folder(t)
		paused := 0
		double := faulty.New(x, faulty.Schedule{Seed: seed, Odds: 2, Pause: func(context.Context) { paused++ }})
		came := work(t, double.Exchange)
		for i := range 10 {
			if came[fmt.Sprintf("letter %d", i)] == 0 {
				t.Errorf("seed %d: letter %d was lost", seed, i)
			}
		}
		for _, done := range double.Done() {
			_, harm, _ := strings.Cut(done, ": ")
			seen[faulty.Harm(harm)] = true
		}
		if slices.ContainsFunc(double.Done(), func(s string) bool { return strings.HasSuffix(s, ": slow") }) != (paused > 0) {
			t.Errorf("seed %d: paused %d times", seed, paused)
		}
	}
	for _, harm := range faulty.Harms() {
		if !seen[harm] {
			t.Errorf("%q was never done", harm)
		}
	}
}

func TestFaultyIsDeterministic(t *testing.T) {
	run := func(seed uint64) []string {
		double := faulty.New(folder(t), faulty.Schedule{Seed: seed})
		work(t, double.Exchange)
		return double.Done()
	}
	first, second, other := run(1), run(1), run(2)
	if len(first) == 0 || !slices.Equal(first, second) {
		t.Errorf("the same seed did\n%q\nand then\n%q", first, second)
	}
	if slices.Equal(first, other) {
		t.Errorf("two seeds did the same: %q", first)
	}
}

func TestFaultyOnly(t *testing.T) {
	double := faulty.New(folder(t), faulty.Schedule{Seed: 1, Odds: 1, Only: []faulty.Harm{faulty.Doubled}})
	came := work(t, double.Exchange)
	twice := 0
	for _, n := range came {
		twice += n - 1
	}
	if twice == 0 || len(came) != 10 {
		t.Errorf("letters came %v, want all 10, some of them twice", came)
	}
	for _, done := range double.Done() {
		if done != "Put: doubled" {
			t.Errorf("did %q", done)
		}
	}
	none := faulty.New(folder(t), faulty.Schedule{Only: []faulty.Harm{}})
	for body, n := range work(t, none.Exchange) {
		if n != 1 || len(none.Done()) != 0 {
			t.Errorf("without harm %q came %d times, and %q was done", body, n, none.Done())
		}
	}
}

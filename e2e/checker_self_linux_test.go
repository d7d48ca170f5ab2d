package e2e

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What the two ledgers say decides about mft, so they are tested on a delivery
// by hand, with every fault that they are there to find.
func TestLedgers(t *testing.T) {
	put := func(t *testing.T, path, text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	deliver := func(t *testing.T, dir, name, text string) {
		t.Helper()
		aside := filepath.Join(dir, stagingPrefix+"x.part", "temp")
		if err := os.MkdirAll(filepath.Dir(aside), 0o755); err != nil {
			t.Fatal(err)
		}
		put(t, aside, text)
		if err := os.Rename(aside, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(filepath.Dir(aside)); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		name   string
		take   bool
		act    func(t *testing.T, dir string, c *consumer)
		expect verdict
	}{
		{name: "all is well", act: func(t *testing.T, dir string, _ *consumer) {
			deliver(t, dir, "a", "hello")
		}},
		{name: "all is well, taken away", take: true, act: func(t *testing.T, dir string, _ *consumer) {
			deliver(t, dir, "a", "hello")
		}},
		{name: "lost", act: func(*testing.T, string, *consumer) {}, expect: verdict{lost: []string{"a"}}},
		{name: "twice, the first still there", act: func(t *testing.T, dir string, c *consumer) {
			deliver(t, dir, "a", "hello")
			if err := c.awaitArrived(1); err != nil { // else it may miss the first
				t.Fatal(err)
			}
			deliver(t, dir, "a", "hello")
		}, expect: verdict{duplicated: []string{"a (2 times)"}}},
		{name: "twice, the first taken away", take: true, act: func(t *testing.T, dir string, c *consumer) {
			deliver(t, dir, "a", "hello")
			if err := c.awaitArrived(1); err != nil {
				t.Fatal(err)
			}
			deliver(t, dir, "a", "hello")
		}, expect: verdict{duplicated: []string{"a (2 times)"}}},
		{name: "corrupt", act: func(t *testing.T, dir string, _ *consumer) {
			deliver(t, dir, "a", "hallo")
		}, expect: verdict{corrupt: []string{"a"}}},
		{name: "partial", act: func(t *testing.T, dir string, _ *consumer) {
			deliver(t, dir, "a", "hel")
		}, expect: verdict{partial: []string{"a (3 of 5 bytes)"}}},
		{name: "written in place", act: func(t *testing.T, dir string, c *consumer) {
			deliver(t, dir, "a", "hello")
			if err := c.awaitArrived(1); err != nil {
				t.Fatal(err)
			}
			put(t, filepath.Join(dir, "a"), "hello")
		}, expect: verdict{unexpected: []string{"a: written under its final name"}}},
		{name: "something else", act: func(t *testing.T, dir string, _ *consumer) {
			deliver(t, dir, "a", "hello")
			deliver(t, dir, "b", "hello")
		}, expect: verdict{unexpected: []string{"b: nobody made it"}}},
		{name: "staging left over", act: func(t *testing.T, dir string, _ *consumer) {
			deliver(t, dir, "a", "hello")
			put(t, filepath.Join(dir, stagingPrefix+"y"), "")
		}, expect: verdict{unexpected: []string{stagingPrefix + "y: left over"}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			top := t.TempDir()
			dir := filepath.Join(top, "in")
			if err := os.Mkdir(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			c := consume(t, dir, filepath.Join(top, "kept"), tt.take)
			l := newLedger()
			made := filepath.Join(top, "made")
			put(t, made, "hello")
			content, err := contentOf(made)
			if err != nil {
				t.Fatal(err)
			}
			l.add("a", content)
			tt.act(t, dir, c)
			c.drain()
			got := c.judge(l)
			for i, s := range got.unexpected {
				if rel, err := filepath.Rel(dir, s); err == nil && filepath.IsAbs(s) {
					got.unexpected[i] = rel
				}
			}
			tt.expect.made = 1
			if diff := cmp.Diff(tt.expect, got, cmp.AllowUnexported(verdict{})); diff != "" {
				t.Errorf("verdict: -want +got\n%s", diff)
			}
		})
	}
}

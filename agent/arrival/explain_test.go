package arrival

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"

	"mft.dev/mft"
	"mft.dev/mft/trigger"
)

// explained returns why each file below a path moves or not, and those that move.
func (b *bench) explained(p string) (why map[string]trigger.Why, moves []string) {
	b.t.Helper()
	why = map[string]trigger.Why{}
	err := b.w.Explain(b.t.Context(), p, func(f Explained) error {
		why[f.Path] = f.Choice.Why
		if f.Err != nil {
			why[f.Path] = trigger.Why(mft.CodeOf(f.Err))
		}
		if f.Choice.Moves {
			moves = append(moves, filepath.FromSlash(f.Path))
		}
		return nil
	})
	if err != nil {
		b.t.Fatalf("Explain(%q): %v", p, err)
	}
	slices.Sort(moves)
	return why, moves
}

// TestExplainIsWhatSweepDoes: what is said to move is what a run sends, nothing more and
// nothing less, before and after it has.
func TestExplainIsWhatSweepDoes(t *testing.T) {
	b := newBench(t, func(ch *mft.Channel) {
		ch.Select = mft.Selection{Include: []string{"*.csv"}, Exclude: []string{"draft-*"}, MaxSize: 20}
		ch.Markers = []mft.Marker{{Kind: mft.MarkerTrigger, End: mft.EndSource, Path: filepath.Join(ch.From.Path, "go.csv")}}
	})
	for _, name := range []string{"a.csv", "sub/b.csv", "sub/draft-c.csv", "d.txt", "go.csv", ".mft-1.part/e.csv"} {
		b.write(name, name)
	}
	b.write("large.csv", "more than twenty bytes long")
	if runtime.GOOS != "windows" {
		if err := os.Symlink("a.csv", filepath.Join(b.w.Root(), "link.csv")); err != nil {
			t.Fatal(err)
		}
	}
	for round, change := range []func(){
		func() {},
		func() {},
		func() { b.write("a.csv", "another"); b.write("new.csv", "") },
		func() {
			if err := os.Remove(filepath.Join(b.w.Root(), "sub", "b.csv")); err != nil {
				t.Fatal(err)
			}
		},
	} {
		change()
		_, moves := b.explained("")
		b.placed = nil
		if _, err := b.w.Sweep(t.Context(), fmt.Sprint(round)); err != nil {
			t.Fatal(err)
		}
		if sent := b.sources(); !slices.Equal(sent, moves) {
			t.Errorf("round %d: explained %q, sent %q", round, moves, sent)
		}
	}
}

func TestExplain(t *testing.T) {
	b := newBench(t, func(ch *mft.Channel) { ch.Select.Exclude = []string{"*.tmp"} })
	for _, name := range []string{"a", "sub/b", "x.tmp", "sub/.mft-1.part/c"} {
		b.write(name, name)
	}
	for _, tt := range []struct {
		path string
		want map[string]trigger.Why
	}{
		{"", map[string]trigger.Why{"a": trigger.WhyNew, "sub/b": trigger.WhyNew, "x.tmp": trigger.WhyExcluded}},
		{"sub", map[string]trigger.Why{"sub/b": trigger.WhyNew}},
		{"a", map[string]trigger.Why{"a": trigger.WhyNew}},
		{"x.tmp", map[string]trigger.Why{"x.tmp": trigger.WhyExcluded}},
		{"sub/.mft-1.part/c", map[string]trigger.Why{"sub/.mft-1.part/c": trigger.WhyAside}},
		{"sub/.mft-1.part", map[string]trigger.Why{"sub/.mft-1.part": trigger.WhyAside}},
		{"none", map[string]trigger.Why{"none": trigger.Why(mft.CodeNotFound)}},
	} {
		got, _ := b.explained(tt.path)
		if fmt.Sprint(got) != fmt.Sprint(tt.want) {
			t.Errorf("Explain(%q) = %v, want %v", tt.path, got, tt.want)
		}
	}
}

// TestExplainLinks: what is said of links is what a mirror does with them.
func TestExplainLinks(t *testing.T) {
	for policy, want := range map[mft.Symlinks]trigger.Why{
		"": trigger.WhyMirror, mft.SymlinksCopy: trigger.WhyMirror, mft.SymlinksSkip: trigger.WhySkipped, mft.SymlinksRefuse: trigger.WhyRefused,
	} {
		b := newBench(t, func(ch *mft.Channel) {
			ch.Mirror = mft.DefaultMirror()
			ch.Select.Symlinks, ch.Select.Rules = policy, []string{"- *.tmp"}
		})
		b.write("a", "a")
		for name, target := range map[string]string{"near": "a", "far": "/etc/../secret", "x.tmp": "a"} {
			if err := os.Symlink(target, filepath.Join(b.w.root, name)); err != nil {
				t.Skip(err)
			}
		}
		got, _ := b.explained("")
		all := map[string]trigger.Why{"a": trigger.WhyMirror, "near": want, "far": want, "x.tmp": trigger.WhyRule}
		if fmt.Sprint(got) != fmt.Sprint(all) {
			t.Errorf("with %q: Explain = %v, want %v", policy, got, all)
		}
		if err := b.w.Readable(t.Context(), "near"); err != nil {
			t.Errorf("with %q: a link that stays inside does not travel: %v", policy, err)
		}
		if err := b.w.Readable(t.Context(), "far"); mft.CodeOf(err) != mft.CodeSymlink {
			t.Errorf("with %q: of a link that leads out it is said %v, want %v", policy, err, mft.CodeSymlink)
		}
	}
	b := newBench(t, func(*mft.Channel) {})
	if err := os.Symlink("a", filepath.Join(b.w.root, "link")); err != nil {
		t.Skip(err)
	}
	if got, _ := b.explained("link"); got["link"] != trigger.WhyNotRegular {
		t.Errorf("of a channel that is no mirror Explain = %v, want %v", got, trigger.WhyNotRegular)
	}
}

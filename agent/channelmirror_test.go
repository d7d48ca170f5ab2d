package agent_test

import (
	"maps"
	"os"
	"path/filepath"
	"testing"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/pairing"
	"mft.dev/mft/journal"
)

// reflecting starts two hosts with a channel of alpha that mirrors its out, by a trigger
// marker in it, and everything else that change says.
func reflecting(t *testing.T, change func(*mft.Channel)) (alpha, beta *host) {
	t.Helper()
	alpha, beta = watched(t, func(ch *mft.Channel) {
		ch.When = []mft.Trigger{{Kind: mft.TriggerMarker}}
		ch.Mirror = mft.Mirror{On: true, MaxFiles: -1, MaxPercent: -1}
		for _, kind := range []mft.MarkerKind{mft.MarkerTrigger, mft.MarkerActivity, mft.MarkerCompletion, mft.MarkerFailure} {
			ch.Markers = append(ch.Markers, mft.Marker{Kind: kind, End: mft.EndSource, Path: filepath.Join(ch.From.Path, "."+string(kind))})
		}
		change(ch)
	})
	if err := beta.agent.AllowPeer("alpha", pairing.Grant{FilesInto: beta.in, Delete: true}); err != nil {
		t.Fatal(err)
	}
	return alpha, beta
}

// TestChannelMirrors: each run makes the destination like the source, but for what the
// rules leave out, and markers.
func TestChannelMirrors(t *testing.T) {
	alpha, beta := reflecting(t, func(ch *mft.Channel) { ch.Select.Rules = []string{"- *.tmp", "- /cache/"} })
	for _, name := range []string{"a", "sub/b", "x.tmp", "cache/c"} {
		write(t, alpha.out, name, name)
	}
	for _, name := range []string{"gone", "old/g", "old/kept.tmp", "cache/theirs", ".failure"} {
		write(t, beta.in, name, "theirs")
	}
	want := map[string]string{
		"a": "a", "sub/": "", "sub/b": "sub/b", "old/": "", "old/kept.tmp": "theirs", "cache/": "", "cache/theirs": "theirs", ".failure": "theirs",
	}
	write(t, alpha.out, ".trigger", "")
	alpha.runs(1)
	if got := tree(t, beta.in); !maps.Equal(got, want) {
		t.Errorf("after a run there is %v, want %v", got, want)
	}
	if err := os.RemoveAll(filepath.Join(alpha.out, "sub")); err != nil {
		t.Fatal(err)
	}
	delete(want, "sub/")
	delete(want, "sub/b")
	write(t, alpha.out, ".trigger", "")
	alpha.runs(2)
	if got := tree(t, beta.in); !maps.Equal(got, want) {
		t.Errorf("after another there is %v, want %v", got, want)
	}
	if rows := alpha.list(journal.Filter{}); len(rows) != 2 || rows[0].State != mft.StateDone {
		t.Errorf("%d transfers, want one for each run: %+v", len(rows), rows)
	}
}

// TestGuards: a run that a guard stops fails before anything is offered, and is repeated
// when the guard lets it.
func TestGuards(t *testing.T) {
	for _, tt := range []struct {
		name   string
		guard  func(dir string) mft.Guard
		files  []string
		code   mft.Code
		mended func(t *testing.T, alpha *host)
	}{
		{"empty", func(string) mft.Guard { return mft.Guard{} }, nil, mft.CodeEmptySource, func(t *testing.T, alpha *host) { write(t, alpha.out, "a", "a") }},
		{"not mounted", func(string) mft.Guard { return mft.Guard{MountPoint: true} }, []string{"a"}, mft.CodeNotMounted, nil},
		{"command", func(dir string) mft.Guard {
			return mft.Guard{Check: []string{"test", "-e", filepath.Join(dir, "good")}, Timeout: time.Minute}
		}, []string{"a"}, mft.CodeGuard, func(t *testing.T, alpha *host) { write(t, alpha.dir, "good", "") }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			alpha, beta := reflecting(t, func(ch *mft.Channel) { ch.Guard = tt.guard(filepath.Dir(ch.From.Path)) })
			for _, name := range tt.files {
				write(t, alpha.out, name, name)
			}
			write(t, beta.in, "theirs", "theirs")
			write(t, alpha.out, ".trigger", "")
			ended := alpha.runs(1, ".failure")
			if ended[0].Code != tt.code {
				t.Errorf("the run ended with %s: %s, want %s", ended[0].Code, ended[0].Detail, tt.code)
			}
			if n := len(alpha.list(journal.Filter{})); n != 0 {
				t.Errorf("%d transfers were made", n)
			}
			if got := tree(t, beta.in); !maps.Equal(got, map[string]string{"theirs": "theirs"}) {
				t.Errorf("there is %v", got)
			}
			if tt.mended == nil {
				return
			}
			tt.mended(t, alpha)
			write(t, alpha.out, ".trigger", "")
			alpha.runs(2)
			if got := tree(t, beta.in); !maps.Equal(got, map[string]string{"a": "a"}) {
				t.Errorf("when it is mended there is %v", got)
			}
		})
	}
}

// TestRulesOfAChannel: what rules and limits leave out does not move.
func TestRulesOfAChannel(t *testing.T) {
	alpha, beta := watched(t, func(ch *mft.Channel) {
		ch.When = []mft.Trigger{{Kind: mft.TriggerPoll, Every: time.Second}}
		ch.Select = mft.Selection{Rules: []string{"- /old/", "+ */", "+ *.csv", "- *"}, MaxSize: 5}
	})
	for _, name := range []string{"a.csv", "old/b.csv", "new/c.csv", "d.txt"} {
		write(t, alpha.out, name, "1")
	}
	if err := os.Rename(write(t, alpha.dir, "large", "123456"), filepath.Join(alpha.out, "large.csv")); err != nil { // whole at once
		t.Fatal(err)
	}
	want := map[string]string{"a.csv": "1", "new/": "", "new/c.csv": "1"}
	beta.awaitTree(beta.in, want)
	alpha.settled()
	if got := tree(t, beta.in); !maps.Equal(got, want) {
		t.Errorf("there is %v, want %v", got, want)
	}
}

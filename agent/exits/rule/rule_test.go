package rule

import (
	"slices"
	"strings"
	"testing"
	"time"

	"mft.dev/mft"
)

func compile(t *testing.T, e mft.Exit) *Rule {
	t.Helper()
	if e.Phase == "" {
		e.Phase = mft.ExitPost
	}
	if e.Run == nil {
		e.Run = []string{"/opt/import", "{fullFilePath}"}
	}
	r, _, err := Compile(e)
	if err != nil {
		t.Fatalf("Compile(%+v): %v", e, err)
	}
	return r
}

func TestPattern(t *testing.T) {
	for _, c := range []struct {
		name, text string
		yes, no    string // paths
		note       bool
		wrong      bool
	}{
		{name: "none", text: "", yes: "/in/x"},
		{name: "end", text: `\.csv$`, yes: "/in/a.csv", no: "/in/a.csv.tmp"},
		{name: "directory", text: `^/srv/in/[^/]*$`, yes: "/srv/in/a", no: "/srv/in/a/b"},
		{name: "newline in a name", text: `^/in/.*\.csv$`, yes: "/in/a\nb.csv", no: "/in/a.csv\n"},
		{name: "no text", text: `^/in/.\.csv$`, yes: "/in/\xff.csv", no: "/in/a\n.csvx"},
		{name: "the original's example", text: `*\\.txt$`, yes: "/in/a.txt", no: "/in/atxt", note: true},
		{name: "with one backslash", text: `*\.txt$`, yes: "/in/a.txt", no: "/in/a.txt.gz", note: true},
		{name: "a glob", text: `*.tar.gz`, yes: "/in/a.tar.gz", no: "/in/a.tarxgz", note: true},
		{name: "everything", text: `*`, yes: "/in/a", note: true},
		{name: "another star", text: `*a(b|c)`, wrong: true},
		{name: "open group", text: `(a`, wrong: true},
		{name: "closes ours", text: `a)(b`, wrong: true},
		{name: "long", text: strings.Repeat("a", maxPattern+1), wrong: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			re, note, err := pattern(c.text)
			if c.wrong {
				if err == nil {
					t.Fatalf("pattern(%q) is taken for %v", c.text, re)
				}
				return
			}
			if err != nil || (note != "") != c.note {
				t.Fatalf("pattern(%q): note %q, %v", c.text, note, err)
			}
			if !re.MatchString(c.yes) {
				t.Errorf("%q is not found in %q", c.text, c.yes)
			}
			if c.no != "" && re.MatchString(c.no) {
				t.Errorf("%q is found in %q", c.text, c.no)
			}
		})
	}
}

func TestDecide(t *testing.T) {
	facts := Facts{
		Phase: mft.ExitPost, Agent: "here", Peer: "erp", Channel: "nightly", Path: "/srv/in/a b\n'$(x).csv",
		Size: 7, Digest: "00ff", Transfer: mft.TransferID{1},
	}
	for _, c := range []struct {
		name string
		exit mft.Exit
		want bool
	}{
		{"anything", mft.Exit{}, true},
		{"everybody", mft.Exit{From: "*"}, true},
		{"the agent", mft.Exit{From: "erp"}, true},
		{"another agent", mft.Exit{From: "erp2"}, false},
		{"the channel", mft.Exit{Channel: "nightly"}, true},
		{"another channel", mft.Exit{Channel: "daily"}, false},
		{"the name", mft.Exit{Match: `\.csv$`}, true},
		{"another name", mft.Exit{Match: `\.txt$`}, false},
		{"another phase", mft.Exit{Phase: mft.ExitError}, false},
		{"the same end", mft.Exit{At: mft.EndDestination}, true},
		{"the other end", mft.Exit{At: mft.EndSource}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := Decide([]*Rule{compile(t, c.exit)}, facts, nil)
			if (len(got) == 1) != c.want {
				t.Fatalf("Decide = %d runs, want %t", len(got), c.want)
			}
			if c.want && !slices.Equal(got[0].Args, []string{"/opt/import", facts.Path}) {
				t.Errorf("arguments %q", got[0].Args)
			}
		})
	}
}

func TestDecideKeys(t *testing.T) {
	a, b := compile(t, mft.Exit{}), compile(t, mft.Exit{Run: []string{"/opt/other"}})
	slow := compile(t, mft.Exit{Timeout: time.Hour})
	f := Facts{Phase: mft.ExitPost, Path: "/in/a"}
	key := func(r *Rule, path, occasion string) [16]byte {
		f.Path = path
		return Decide([]*Rule{r}, f, []byte(occasion))[0].Key
	}
	if key(a, "/in/a", "1") != key(slow, "/in/a", "1") {
		t.Error("another time limit makes another command of it")
	}
	keys := [][16]byte{key(a, "/in/a", "1"), key(b, "/in/a", "1"), key(a, "/in/b", "1"), key(a, "/in/a", "2"), key(a, "/in/a1", "")}
	for i, k := range keys {
		if slices.Contains(keys[:i], k) {
			t.Errorf("command %d has the key of another", i)
		}
	}
	if got := Decide([]*Rule{a, a}, f, nil); len(got) != 1 {
		t.Errorf("a rule that stands there twice runs %d times", len(got))
	}
}

func TestVariables(t *testing.T) {
	f := Facts{
		Phase: mft.ExitError, Agent: "here", Peer: "erp", Channel: "-c", Path: "/srv/in/-rf {fileName}\xff", Size: 42, Digest: "ab",
		Transfer: mft.TransferID{15: 9}, Code: mft.CodeIO, Reason: "bad\x00 disk" + strings.Repeat("x", 2*maxReason),
	}
	for _, c := range []struct{ text, want string }{
		{"{fullFilePath}", f.Path},
		{"--in={directory}/x", "--in=/srv/in/x"},
		{"{fileName}", "-rf {fileName}\xff"}, // what a value holds is not read again
		{"{sourceAgent}:{agent}:{channel}", "erp:here:-c"},
		{"{size}{digest}", "42ab"},
		{"{at} {sourceAgent} {destinationAgent}", "destination erp here"},
		{"{phase} {code}", "error IO_ERROR"},
		{"{transferId}", f.Transfer.String()},
		{"{{fileName}} {{", "{fileName} {"},
		{"", ""},
	} {
		a, err := parse(c.text)
		if err != nil || a.expand(&f) != c.want {
			t.Errorf("%q becomes %q, %v; want %q", c.text, a.expand(&f), err, c.want)
		}
	}
	env := environment(&f)
	if !slices.Contains(env, "MFT_PATH="+f.Path) || len(env) != 16 {
		t.Errorf("environment %q", env)
	}
	for _, v := range env {
		if strings.ContainsRune(v, 0) || len(v) > maxReason+100 {
			t.Errorf("a variable of %d bytes: %.40q", len(v), v)
		}
	}
}

func TestCompileRefuses(t *testing.T) {
	for _, c := range []struct {
		name  string
		exit  mft.Exit
		wrong string
	}{
		{"no phase", mft.Exit{Phase: "after"}, "phase"},
		{"no program", mft.Exit{Run: []string{""}}, "no program"},
		{"relative program", mft.Exit{Run: []string{"bin/import"}}, "neither absolute"},
		{"chosen program", mft.Exit{Run: []string{"/opt/{fileName}"}}, "choose it"},
		{"unknown variable", mft.Exit{Run: []string{"/opt/x", "{path}"}}, "no variable {path}"},
		{"lone brace", mft.Exit{Run: []string{"/opt/x", "a}"}}, "lone }"},
		{"open brace", mft.Exit{Run: []string{"/opt/x", "{fileName"}}, "lone {"},
		{"NUL", mft.Exit{Run: []string{"/opt/x", "a\x00"}}, "NUL"},
		{"many arguments", mft.Exit{Run: slices.Repeat([]string{"/x"}, maxArgs+1)}, "at most"},
		{"shell script", mft.Exit{Run: []string{"/bin/sh", "-c", "import {fullFilePath}"}}, "fixed script"},
		{"shell script after an option", mft.Exit{Run: []string{"bash", "-e", "-c", "x {fileName}"}}, "fixed script"},
		{"a file that is run", mft.Exit{Run: []string{"python3", "{fullFilePath}"}}, "fixed script"},
		{"behind env", mft.Exit{Run: []string{"/usr/bin/env", "A=b", "sh", "-c", "x {fileName}"}}, "fixed script"},
		{"second program text", mft.Exit{Run: []string{"perl", "-e", "1", "-e", "{fileName}"}}, "fixed script"},
		{"cmd", mft.Exit{Run: []string{"cmd.exe", "/c", "copy", "{fullFilePath}"}}, "fixed script"},
		{"no end", mft.Exit{At: "middle"}, "at:"},
		{"umask", mft.Exit{Umask: "0999"}, "umask"},
		{"long", mft.Exit{Timeout: MaxTimeout + 1}, "timeout"},
		{"long before", mft.Exit{Phase: mft.ExitPre, Timeout: time.Minute}, "timeout"},
		{"tried again before", mft.Exit{Phase: mft.ExitPre, Retries: 1}, "phase pre"},
		{"retries", mft.Exit{Retries: -1}, "retries"},
		{"directory", mft.Exit{Directory: "tmp"}, "directory"},
		{"expression", mft.Exit{Match: "("}, "match"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.exit.Phase == "" {
				c.exit.Phase = mft.ExitPost
			}
			if c.exit.Run == nil {
				c.exit.Run = []string{"/opt/x"}
			}
			if _, _, err := Compile(c.exit); err == nil || !strings.Contains(err.Error(), c.wrong) {
				t.Errorf("Compile: %v, want an error with %q", err, c.wrong)
			}
		})
	}
}

func TestCompileAccepts(t *testing.T) {
	for _, run := range [][]string{
		{"cat", "{fullFilePath}"},
		{"/bin/sh", "-c", `import "$1"`, "sh", "{fullFilePath}"},
		{"/usr/bin/env", "A=b", "/opt/x", "-c", "{fileName}"},
		{"python3", "/opt/x.py", "{fullFilePath}"},
		{"grep", "-e", "{channel}", "--", "{fullFilePath}"},
	} {
		if _, notes, err := Compile(mft.Exit{Phase: mft.ExitPost, Run: run}); err != nil && len(notes) == 0 {
			t.Errorf("%q: %v", run, err)
		}
	}
	_, notes, err := Compile(mft.Exit{Phase: mft.ExitPost, Run: []string{"rm", "{fileName}"}})
	if err != nil || len(notes) != 1 {
		t.Errorf("a name that may be an option: %q, %v; want a note", notes, err)
	}
	r := compile(t, mft.Exit{From: "*"})
	if e := r.Exit(); e.From != "" || e.Timeout != DefaultTimeout || e.Directory == "" || r.Umask() != DefaultUmask {
		t.Errorf("defaults: %+v", e)
	}
}

func TestPhase(t *testing.T) {
	for text, want := range map[string]mft.ExitPhase{
		"pre": mft.ExitPre, "post": mft.ExitPost, "success": mft.ExitPost, "error": mft.ExitError, "failure": mft.ExitError,
	} {
		if got, err := Phase(text); err != nil || got != want {
			t.Errorf("Phase(%q) = %q, %v; want %q", text, got, err, want)
		}
	}
	if _, err := Phase("after"); err == nil {
		t.Error("Phase takes what is none")
	}
}

// FuzzExpand checks that an argument stays one, and that values are not read
// again.
func FuzzExpand(f *testing.F) {
	f.Add("{fullFilePath}", "/in/a b\n'")
	f.Add("x{{{fileName}}}y", "/in/{fullFilePath}")
	f.Add("{", "/")
	f.Add("{}", "/\xff")
	f.Fuzz(func(t *testing.T, text, name string) {
		a, err := parse(text)
		if err != nil {
			return
		}
		facts := Facts{Path: "/" + name}
		got := a.expand(&facts)
		if a.fixed() && got != strings.NewReplacer("{{", "{", "}}", "}").Replace(text) {
			t.Errorf("%q without variables becomes %q", text, got)
		}
		if strings.ContainsRune(got, 0) && !strings.ContainsRune(text, 0) {
			t.Errorf("%q becomes %q", text, got)
		}
		if text == "{fullFilePath}" && got != strings.ReplaceAll("/"+name, "\x00", "") {
			t.Errorf("the path %q becomes %q", "/"+name, got)
		}
	})
}

// TestDecideAtTheSource: an expression has to match one of what the transfer names,
// and the other agent is the recipient.
func TestDecideAtTheSource(t *testing.T) {
	f := Facts{
		At: mft.EndSource, Phase: mft.ExitPre, Agent: "here", Peer: "ledger", ChannelRun: "r1", Destination: "/in/", Path: "/out",
		Sources: []string{"/out/a.txt", "/out/b.csv"},
	}
	run := []string{"/opt/x", "{fullFilePath} {sourceAgent} {destinationAgent} {destination} {channelRun} {at}"}
	for _, c := range []struct {
		name string
		exit mft.Exit
		want bool
	}{
		{"one of them", mft.Exit{At: mft.EndSource, Match: `\.csv$`}, true},
		{"none of them", mft.Exit{At: mft.EndSource, Match: `out$`}, false},
		{"to another", mft.Exit{At: mft.EndSource, From: "erp"}, false},
		{"to this one", mft.Exit{At: mft.EndSource, From: "ledger"}, true},
		{"the other end", mft.Exit{}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.exit.Phase, c.exit.Run = mft.ExitPre, run
			r, _, err := Compile(c.exit)
			if err != nil {
				t.Fatal(err)
			}
			got := Decide([]*Rule{r}, f, nil)
			if (len(got) == 1) != c.want {
				t.Fatalf("Decide = %d runs, want %t", len(got), c.want)
			}
			if want := "/out here ledger /in/ r1 source"; c.want && got[0].Args[1] != want {
				t.Errorf("argument %q, want %q", got[0].Args[1], want)
			}
		})
	}
}

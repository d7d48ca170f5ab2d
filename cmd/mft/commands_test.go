package main

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"mft.dev/mft/cmd/mft/exit"
)

var update = flag.Bool("update", false, "write docs/commands.md")

const commandsPage = "../../docs/commands.md"

// testShell is a shell in which nothing can be done.
func testShell(t *testing.T) *shell {
	t.Helper()
	return &shell{
		in: strings.NewReader(""), out: &strings.Builder{}, errs: &strings.Builder{},
		env:       func(string) string { return "" },
		directory: func() (string, error) { return "/home/u", nil },
		columns:   func() int { return 0 },
	}
}

// TestCommandsPage holds docs/commands.md to the help pages.
func TestCommandsPage(t *testing.T) {
	root := newRoot(testShell(t))
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	var b strings.Builder
	b.WriteString("# Commands\n\nMade from the help pages by `go test ./cmd/mft -update`; a test holds the two together.\n\n")
	b.WriteString("## Exit status\n\n| status | meaning |\n|---|---|\n")
	for _, m := range exit.Meanings() {
		fmt.Fprintf(&b, "| %d | %s |\n", m.Status, m.Text)
	}
	page(&b, root)
	if *update {
		if err := os.WriteFile(commandsPage, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(commandsPage)
	if err != nil {
		t.Fatal(err)
	}
	if b.String() != string(want) {
		t.Errorf("docs/commands.md is not what the help pages say; run go test ./cmd/mft -update")
	}
}

// page writes the help of c and of the commands below it.
func page(b *strings.Builder, c *cobra.Command) {
	if c.Name() == "help" || c.IsAdditionalHelpTopicCommand() || c.Hidden {
		return
	}
	fmt.Fprintf(b, "\n## %s\n\n", c.CommandPath())
	text := c.Long
	if text == "" {
		text = c.Short + "."
	}
	fmt.Fprintf(b, "```\n%s\n\n%s```\n", strings.TrimSpace(text), c.UsageString())
	if c.Name() == "completion" {
		return // its commands are cobra's, and say the same for each shell
	}
	for _, sub := range c.Commands() {
		page(b, sub)
	}
}

// every calls f for each command of ours.
func every(c *cobra.Command, f func(c *cobra.Command)) {
	f(c)
	for _, sub := range c.Commands() {
		every(sub, f)
	}
}

func TestEveryCommandIsDescribed(t *testing.T) {
	every(newRoot(testShell(t)), func(c *cobra.Command) {
		if c.Short == "" || strings.HasSuffix(c.Short, ".") {
			t.Errorf("%s: the short description is %q, want a sentence without a full stop", c.CommandPath(), c.Short)
		}
		for line := range strings.SplitSeq(c.Long, "\n") {
			if len(line) > 80 {
				t.Errorf("%s: a line of the help has %d columns: %q", c.CommandPath(), len(line), line)
			}
		}
		if c.Runnable() && c.Args == nil {
			t.Errorf("%s does not say which arguments it takes", c.CommandPath())
		}
		c.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if f.Usage == "" {
				t.Errorf("%s --%s has no description", c.CommandPath(), f.Name)
			}
		})
		if kept := c.Flags().Lookup("socket"); kept != nil && c.LocalNonPersistentFlags().Lookup("socket") != nil {
			t.Errorf("%s hides the global --socket", c.CommandPath())
		}
	})
}

// TestExamplesAreUnderstood parses every example as somebody who copies it.
func TestExamplesAreUnderstood(t *testing.T) {
	n := 0
	every(newRoot(testShell(t)), func(c *cobra.Command) {
		for line := range strings.SplitSeq(c.Example, "\n") {
			words := strings.Fields(strings.ReplaceAll(line, "'", ""))
			if len(words) == 0 {
				continue
			}
			n++
			root := newRoot(testShell(t))
			found, rest, err := root.Find(words[1:])
			if err != nil || words[0] != "mft" {
				t.Errorf("example %q of %s: %v", line, c.CommandPath(), err)
				continue
			}
			if err := found.ParseFlags(rest); err != nil {
				t.Errorf("example %q of %s: %v", line, c.CommandPath(), err)
				continue
			}
			if err := found.ValidateArgs(found.Flags().Args()); err != nil {
				t.Errorf("example %q of %s: %v", line, c.CommandPath(), err)
			}
		}
	})
	if n < 10 {
		t.Errorf("%d examples were tried, want at least 10", n)
	}
}

// TestCompletions asks for proposals where no agent answers.
func TestCompletions(t *testing.T) {
	for _, args := range [][]string{
		{"copy", "--dest-agent", ""},
		{"req", "--source-agent", ""},
		{"peer", "show", ""},
		{"transfer", "cancel", ""},
		{"transfer", "list", "--peer", ""},
	} {
		s := testShell(t)
		args = append([]string{"__complete", "--socket", "/nonexistent/agent.sock"}, args...)
		if status := execute(t.Context(), s, args); status != exit.OK {
			t.Errorf("mft %q ends with %d", args, status)
		}
		if want := fmt.Sprintf(":%d", cobra.ShellCompDirectiveNoFileComp); !strings.Contains(fmt.Sprint(s.out), want) {
			t.Errorf("mft %q proposes %q, want nothing, and no files", args, s.out)
		}
	}
}

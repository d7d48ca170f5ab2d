package mft_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"mft.dev/mft"
	"mft.dev/mft/agent/config"
)

var update = flag.Bool("update", false, "write the generated parts of the documentation anew")

// TestCodesAreDocumented holds the table of codes in docs/operations.md to
// the list in the program: go test -run Codes -update . writes it.
func TestCodesAreDocumented(t *testing.T) {
	const name = "docs/operations.md"
	var b strings.Builder
	b.WriteString("| code | what happened | what to do | tried again by itself |\n|---|---|---|---|\n")
	for _, c := range mft.Codes() {
		again := "no"
		if c.Retryable() {
			again = "yes"
		}
		remedy := c.Remedy()
		if remedy == "" {
			remedy = "–"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", c, c.Sentence(), remedy, again)
	}
	text := read(t, name)
	got, rest := between(t, name, text, "codes")
	if got == b.String() {
		return
	}
	if !*update {
		t.Errorf("%s: the table of codes is not that of the program; write it with: go test -run Codes -update .", name)
		return
	}
	if err := os.WriteFile(name, []byte(rest(b.String())), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestTestCommand checks that .ci/run finds in README.md the command that it
// runs, and finds only that.
func TestTestCommand(t *testing.T) {
	got, _ := between(t, "README.md", read(t, "README.md"), "test")
	if want := "```sh\ngo test ./...\n```\n"; strings.TrimSpace(got) != strings.TrimSpace(want) {
		t.Errorf("README.md: between its marks stands %q, want %q", got, want)
	}
	if ci := read(t, ".ci/run"); !strings.Contains(ci, "<!-- test -->") {
		t.Error(".ci/run does not take the test command from README.md")
	}
}

// TestSamplesLoad loads every configuration that the documentation shows.
func TestSamplesLoad(t *testing.T) {
	fence := regexp.MustCompile("(?ms)^```yaml( destinations)?\n(.*?)^```$")
	pages, err := filepath.Glob("docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, page := range append(pages, "README.md", "ARCHITECTURE.md") {
		for _, m := range fence.FindAllStringSubmatch(read(t, page), -1) {
			n++
			t.Run(fmt.Sprintf("%s %d", page, n), func(t *testing.T) {
				file := filepath.Join(t.TempDir(), "mft.yaml")
				if err := os.WriteFile(file, []byte(m[2]), 0o600); err != nil {
					t.Fatal(err)
				}
				if m[1] != "" {
					_, err = config.LoadDestinations(file)
				} else {
					_, err = config.Load(file)
				}
				if err != nil {
					t.Errorf("%v\n%s", err, m[2])
				}
			})
		}
	}
	if n == 0 {
		t.Error("the documentation shows no configuration")
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(b), "\r\n", "\n")
}

// between returns what stands in text between the marks <!-- what --> and
// <!-- end -->, and a function that puts something else there.
func between(t *testing.T, name, text, what string) (inner string, replace func(string) string) {
	t.Helper()
	before, rest, found := strings.Cut(text, "<!-- "+what+" -->\n")
	inner, after, closed := strings.Cut(rest, "<!-- end -->")
	if !found || !closed {
		t.Fatalf("%s: there is no part between <!-- %s --> and <!-- end -->", name, what)
	}
	return inner, func(s string) string {
		return before + "<!-- " + what + " -->\n" + s + "<!-- end -->" + after
	}
}

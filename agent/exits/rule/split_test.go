package rule

import (
	"slices"
	"strings"
	"testing"
)

func TestSplit(t *testing.T) {
	for _, c := range []struct {
		name, command string
		want          []string
		wrong         string // part of the error
	}{
		{"the original's example", "cat {fullFilePath}", []string{"cat", "{fullFilePath}"}, ""},
		{"blanks", "  a \t b  ", []string{"a", "b"}, ""},
		{"single quotes", `a 'b c' '' 'x"y\z'`, []string{"a", "b c", "", `x"y\z`}, ""},
		{"double quotes", `a "b \"c\" \\ \$ \x"`, []string{"a", `b "c" \ $ \x`}, ""},
		{"quotes within a word", `a b'c d'"e f"g`, []string{"a", "bc de fg"}, ""},
		{"escaped operators", `a \| \; \& \  \$`, []string{"a", "|", ";", "&", " ", "$"}, ""},
		{"quoted operators", `a '|' ";" '$(x)'`, []string{"a", "|", ";", "$(x)"}, ""},
		{"special within a word", "a b~c d#e f=g", []string{"a", "b~c", "d#e", "f=g"}, ""},
		{"bytes that are no text", "a b\xff\xc3", []string{"a", "b\xff\xc3"}, ""},
		{"nothing", " \t", nil, "empty"},
		{"pipe", "cat x | wc", nil, "joins commands"},
		{"semicolon", "a; b", nil, "separates commands"},
		{"and", "a && b", nil, "separates commands"},
		{"background", "a &", nil, "separates commands"},
		{"newline", "a\nb", nil, "separates commands"},
		{"redirection", "a > b", nil, "redirects"},
		{"substitution", "a $(b)", nil, "substitutes"},
		{"substitution in double quotes", `a "$(b)"`, nil, "substitutes"},
		{"variable in double quotes", `a "$HOME"`, nil, "substitutes"},
		{"backquote", "a `b`", nil, "substitutes"},
		{"group", "(a)", nil, "groups"},
		{"pattern", "rm *.txt", nil, "pattern"},
		{"home", "a ~/x", nil, "home"},
		{"comment", "a # b", nil, "comment"},
		{"assignment", "A=b c", nil, "sets a variable"},
		{"backslashes of a path", `C:\tools\import.exe x`, nil, "single quotes"},
		{"open single quote", "a 'b", nil, "not closed"},
		{"open double quote", `a "b`, nil, "not closed"},
		{"last backslash", `a \`, nil, "ends in a backslash"},
		{"NUL", "a\x00b", nil, "NUL"},
		{"NUL in quotes", "a '\x00'", nil, "NUL"},
		{"long", strings.Repeat("a", maxCommand+1), nil, "longer"},
		{"many", strings.Repeat("a ", maxArgs+1), nil, "more than"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Split(c.command)
			if c.wrong != "" {
				if err == nil || !strings.Contains(err.Error(), c.wrong) {
					t.Errorf("Split(%q) = %q, %v; want an error with %q", c.command, got, err, c.wrong)
				}
				return
			}
			if err != nil || !slices.Equal(got, c.want) {
				t.Errorf("Split(%q) = %q, %v; want %q", c.command, got, err, c.want)
			}
		})
	}
}

// FuzzSplit checks that what is split, and quoted again, is split alike, and
// that no byte of the arguments was made up.
func FuzzSplit(f *testing.F) {
	for _, s := range []string{"cat {fullFilePath}", `a 'b c' "d\"e" \| f''`, "a|b", "a\x00", `a "`, `\`, "a\xff 'b\n'"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, command string) {
		args, err := Split(command)
		if err != nil {
			return
		}
		var quoted []string
		for _, a := range args {
			if strings.ContainsRune(a, 0) || len(a) > len(command) {
				t.Fatalf("Split(%q) made %q", command, a)
			}
			quoted = append(quoted, "'"+strings.ReplaceAll(a, "'", `'\''`)+"'")
		}
		again, err := Split(strings.Join(quoted, " "))
		if len(strings.Join(quoted, " ")) <= maxCommand && (err != nil || !slices.Equal(again, args)) {
			t.Errorf("Split(%q) = %q, and quoted %q, %v", command, args, again, err)
		}
	})
}

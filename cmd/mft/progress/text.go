package progress

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"mft.dev/mft"
)

// Plain returns s when a terminal can show it as it is, else a quoted form:
// names of files are any bytes, and some of them are commands to a terminal.
func Plain(s string) string {
	if s != "" && utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return s
	}
	return fmt.Sprintf("%q", s)
}

// Text is Plain for a sentence, which may have quotes and several lines: it
// comes back without quotes around it.
func Text(sentence string) string {
	lines := strings.Split(sentence, "\n")
	for i, line := range lines {
		if quoted := Plain(line); quoted != line {
			line = strings.TrimSuffix(strings.TrimPrefix(quoted, `"`), `"`)
			lines[i] = strings.ReplaceAll(line, `\"`, `"`)
		}
	}
	return strings.Join(lines, "\n")
}

// OneLine is Text that stays on one line.
func OneLine(sentence string) string {
	return strings.ReplaceAll(Text(sentence), "\n", `\n`)
}

// Sentence says why something is as it is on one line: the detail, or what the
// code means where there is none, and the code.
func Sentence(code mft.Code, detail string) string {
	if detail == "" {
		detail = code.Sentence()
	}
	if tag := "[" + string(code) + "]"; !strings.HasSuffix(detail, tag) {
		detail += " " + tag
	}
	return OneLine(detail)
}

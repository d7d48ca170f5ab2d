package rule

import (
	"cmp"
	"fmt"
	"path"
	"strconv"
	"strings"

	"mft.dev/mft"
)

// Facts are what happened, or in phase pre is about to.
type Facts struct {
	// At is the end that this host is; empty is mft.EndDestination.
	At       mft.End
	Phase    mft.ExitPhase
	Agent    mft.AgentName // this host's
	Peer     mft.AgentName // at the other end
	Transfer mft.TransferID
	Channel  string // empty for a command
	// ChannelRun is that of the channel, only known at the source.
	ChannelRun string
	// Destination is the path that the sender named.
	Destination string
	// Path is absolute and slash-separated: of the file, or in phases pre and
	// error of the destination. Size is its content in bytes, or what was
	// announced. At the source Path is of something that the transfer names, or in
	// phases pre and error of what has all of it; Size is that of the whole.
	Path string
	Size int64
	// Sources are, in phases pre and error at the source, what the transfer names:
	// an expression has to match one of them, and not Path.
	Sources []string
	// Digest is that of the file in hexadecimal; empty in phases pre and
	// error.
	Digest string
	// Code and Reason say why a transfer failed.
	Code   mft.Code
	Reason string
}

func (f *Facts) end() mft.End { return cmp.Or(f.At, mft.EndDestination) }

func (f *Facts) sender() mft.AgentName {
	if f.end() == mft.EndSource {
		return f.Agent
	}
	return f.Peer
}

func (f *Facts) recipient() mft.AgentName {
	if f.end() == mft.EndSource {
		return f.Peer
	}
	return f.Agent
}

// A variable is a fact that arguments and environment may have.
type variable struct {
	name, env string
	value     func(*Facts) string
}

// variables is the closed list, in the order of the documentation.
func variables() [16]variable {
	return [...]variable{
		{"fullFilePath", "MFT_PATH", func(f *Facts) string { return f.Path }},
		{"fileName", "MFT_FILE_NAME", func(f *Facts) string { return path.Base(f.Path) }},
		{"directory", "MFT_DIRECTORY", func(f *Facts) string { return path.Dir(f.Path) }},
		{"sourceAgent", "MFT_SOURCE_AGENT", func(f *Facts) string { return string(f.sender()) }},
		{"destinationAgent", "MFT_DESTINATION_AGENT", func(f *Facts) string { return string(f.recipient()) }},
		{"destination", "MFT_DESTINATION", func(f *Facts) string { return f.Destination }},
		{"agent", "MFT_AGENT", func(f *Facts) string { return string(f.Agent) }},
		{"transferId", "MFT_TRANSFER_ID", func(f *Facts) string { return f.Transfer.String() }},
		{"channel", "MFT_CHANNEL", func(f *Facts) string { return f.Channel }},
		{"channelRun", "MFT_CHANNEL_RUN", func(f *Facts) string { return f.ChannelRun }},
		{"size", "MFT_SIZE", func(f *Facts) string { return strconv.FormatInt(f.Size, 10) }},
		{"digest", "MFT_DIGEST", func(f *Facts) string { return f.Digest }},
		{"at", "MFT_AT", func(f *Facts) string { return string(f.end()) }},
		{"phase", "MFT_PHASE", func(f *Facts) string { return string(f.Phase) }},
		{"code", "MFT_CODE", func(f *Facts) string { return string(f.Code) }},
		{"reason", "MFT_REASON", func(f *Facts) string { return clip(f.Reason, maxReason) }},
	}
}

// maxReason bounds what of a reason is handed on, in bytes.
const maxReason = 4096

// clip returns at most n bytes of text without NUL, which no argument may have.
func clip(text string, n int) string {
	text = strings.ReplaceAll(text, "\x00", "")
	return text[:min(n, len(text))]
}

// environment returns the variables as NAME=value.
func environment(f *Facts) []string {
	var env []string
	for _, v := range variables() {
		env = append(env, v.env+"="+clip(v.value(f), maxCommand))
	}
	return env
}

// A part of an argument is literal text, or a variable.
type part struct {
	text string
	of   func(*Facts) string
}

// An argument is parts that become one string.
type argument []part

// fixed reports whether no variable is in a.
func (a argument) fixed() bool {
	for _, p := range a {
		if p.of != nil {
			return false
		}
	}
	return true
}

func (a argument) expand(f *Facts) string {
	var b strings.Builder
	for _, p := range a {
		if p.of != nil {
			b.WriteString(strings.ReplaceAll(p.of(f), "\x00", ""))
		} else {
			b.WriteString(p.text)
		}
	}
	return b.String()
}

// parse finds the variables of one argument.
func parse(text string) (argument, error) {
	var a argument
	for text != "" {
		i := strings.IndexAny(text, "{}")
		if i < 0 {
			return append(a, part{text: text}), nil
		}
		if i > 0 {
			a = append(a, part{text: text[:i]})
		}
		brace := text[i : i+1]
		text = text[i+1:]
		if strings.HasPrefix(text, brace) {
			a = append(a, part{text: brace})
			text = text[1:]
			continue
		}
		name, rest, closed := strings.Cut(text, "}")
		if brace == "}" || !closed {
			return nil, fmt.Errorf("run: a lone %s; write %s%s for the character itself", brace, brace, brace)
		}
		of := lookup(name)
		if of == nil {
			return nil, fmt.Errorf("run: there is no variable {%s}; there are %s; {{ and }} stand for braces", clip(name, 40), names())
		}
		a = append(a, part{of: of})
		text = rest
	}
	return a, nil
}

func lookup(name string) func(*Facts) string {
	for _, v := range variables() {
		if v.name == name {
			return v.value
		}
	}
	return nil
}

func names() string {
	var all []string
	for _, v := range variables() {
		all = append(all, "{"+v.name+"}")
	}
	return strings.Join(all, " ")
}

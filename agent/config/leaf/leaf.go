// Package leaf has the values of a configuration file that are one word or number
// each: what they may be, and how the schema describes them. Every type is a
// strict.Leaf; its error says what was wanted.
package leaf

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/config/strict"
	"mft.dev/mft/identity"
	"mft.dev/mft/trigger"
)

// Text describes any string that matches the pattern, "" for all.
func Text(pattern string) map[string]any {
	s := map[string]any{"type": "string", "minLength": 1}
	if pattern != "" {
		s["pattern"] = pattern
	}
	return s
}

// Cause takes off the *mft.Error that another package made for a value: its
// code and subject are those of the file here.
func Cause(err error) error {
	var e *mft.Error
	if errors.As(err, &e) && e.Err != nil {
		return e.Err
	}
	return err
}

// An AgentName is the name of an agent.
type AgentName mft.AgentName

func (v *AgentName) ReadText(s string) error {
	name, err := mft.ParseAgentName(s)
	if err != nil {
		return fmt.Errorf("%s is no agent name: %w", strict.Clip(s), Cause(err))
	}
	*v = AgentName(name)
	return nil
}

func (*AgentName) Schema() map[string]any {
	s := Text("^[a-z0-9]+(-[a-z0-9]+)*$")
	s["maxLength"] = 63
	return s
}

// A ChannelName is the name of a channel.
type ChannelName string

func (v *ChannelName) ReadText(s string) error {
	if s == "" || len(s) > 64 || strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") != "" || strings.ContainsAny(s[:1], "._-") {
		return errors.New("a channel's name has 1 to 64 letters, digits, dots, hyphens and underscores, and starts with a letter or digit")
	}
	*v = ChannelName(s)
	return nil
}

func (*ChannelName) Schema() map[string]any {
	return Text("^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")
}

// A ListenOn is HOST:PORT to listen on; the host may be empty, the port 0.
type ListenOn string

func (v *ListenOn) ReadText(s string) error {
	if !hostPort(s, 0) {
		return errors.New("want HOST:PORT or :PORT, such as :7420 or 127.0.0.1:7420")
	}
	*v = ListenOn(s)
	return nil
}

func (*ListenOn) Schema() map[string]any { return Text(":[0-9]{1,5}$") }

// A DialTo is HOST:PORT to dial.
type DialTo string

func (v *DialTo) ReadText(s string) error {
	if !hostPort(s, 1) || strings.HasPrefix(s, ":") {
		return errors.New("want HOST:PORT, such as ledger.example:7420")
	}
	*v = DialTo(s)
	return nil
}

func (*DialTo) Schema() map[string]any { return Text("^.+:[0-9]{1,5}$") }

func hostPort(s string, least int) bool {
	host, port, err := net.SplitHostPort(s)
	if err != nil || len(host) > 253 || strings.ContainsFunc(host, func(r rune) bool { return r <= ' ' || r == 0x7f || r == '/' }) {
		return false
	}
	n, err := strconv.ParseUint(port, 10, 16)
	return err == nil && int(n) >= least
}

// A LocalPath is an absolute path on this host.
type LocalPath string

func (v *LocalPath) ReadText(s string) error {
	if why := unusable(s, filepath.IsAbs(s)); why != "" {
		return errors.New(why)
	}
	*v = LocalPath(filepath.Clean(s))
	return nil
}

func (*LocalPath) Schema() map[string]any { return Text("") }

// A HostPath is an absolute path on some host: /srv/in, C:\in or \\server\in.
type HostPath string

func (v *HostPath) ReadText(s string) error {
	if why := unusable(s, AbsoluteSomewhere(s)); why != "" {
		return errors.New(why)
	}
	*v = HostPath(s)
	return nil
}

func (*HostPath) Schema() map[string]any { return Text(`^(/|[A-Za-z]:[\\/]|\\\\)`) }

// AbsoluteSomewhere reports whether path is absolute on some system: it begins
// with a slash, a drive or two backslashes.
func AbsoluteSomewhere(s string) bool {
	drive := len(s) > 2 && s[1] == ':' && (s[2] == '\\' || s[2] == '/')
	return strings.HasPrefix(s, "/") || strings.HasPrefix(s, `\\`) || drive
}

// unusable says what is wrong with a path, "" if nothing is.
func unusable(s string, absolute bool) string {
	switch {
	case strings.ContainsRune(s, 0):
		return "a path has no NUL character"
	case len(s) > 4096:
		return "a path has at most 4096 bytes"
	case strings.HasPrefix(s, "~"):
		return "~ is not expanded here; write the absolute path"
	case !absolute:
		return "want an absolute path"
	case slices.Contains(strings.FieldsFunc(s, func(r rune) bool { return r == '/' || r == '\\' }), ".."):
		return "want a path without .. components"
	}
	return ""
}

// A Word is any text on one line.
type Word string

func (v *Word) ReadText(s string) error {
	if s == "" || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' }) {
		return errors.New("want one word")
	}
	*v = Word(s)
	return nil
}

func (*Word) Schema() map[string]any { return Text(`^\S+$`) }

// A LogLevel is how much is logged.
type LogLevel slog.Level

func (v *LogLevel) ReadText(s string) error {
	levels := map[string]slog.Level{
		"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError,
	}
	level, ok := levels[s]
	if !ok {
		return errors.New("want debug, info, warn or error")
	}
	*v = LogLevel(level)
	return nil
}

func (*LogLevel) Schema() map[string]any {
	return map[string]any{"enum": []string{"debug", "info", "warn", "error"}}
}

// An AzureLevel is azure-mft's log_level, which knew debug and all the rest.
type AzureLevel slog.Level

func (v *AzureLevel) ReadText(s string) error {
	if strings.EqualFold(s, "debug") {
		*v = AzureLevel(slog.LevelDebug)
	}
	return nil
}

func (*AzureLevel) Schema() map[string]any { return map[string]any{"type": "string"} }

// An AtOnce is a number of transfers.
type AtOnce int

func (v *AtOnce) ReadText(s string) error {
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > 256 {
		return errors.New("want a number from 1 to 256")
	}
	*v = AtOnce(n)
	return nil
}

func (*AtOnce) Schema() map[string]any {
	return map[string]any{"type": "integer", "minimum": 1, "maximum": 256}
}

// A VersionOne is the number of azure-mft's format, of which there was one.
type VersionOne struct{}

func (*VersionOne) ReadText(s string) error {
	if s != "1" {
		return errors.New("want 1, the only version there is")
	}
	return nil
}

func (*VersionOne) Schema() map[string]any { return map[string]any{"enum": []any{1, "1"}} }

// A YesNo is true or false.
type YesNo bool

func (v *YesNo) ReadText(s string) error {
	b, err := strconv.ParseBool(s)
	if err != nil || len(s) < 4 {
		return errors.New("want true or false")
	}
	*v = YesNo(b)
	return nil
}

func (*YesNo) Schema() map[string]any { return map[string]any{"type": "boolean"} }

// An Overwrite is an overwrite policy by name, or the true and false that
// azure-mft knew.
type Overwrite mft.Overwrite

func (v *Overwrite) ReadText(s string) error {
	policy, err := ParseOverwrite(s)
	if err != nil {
		return Cause(err)
	}
	*v = Overwrite(policy)
	return nil
}

func (*Overwrite) Schema() map[string]any {
	return map[string]any{"enum": []any{true, false, mft.OverwriteReplace, mft.OverwriteNever, mft.OverwriteVersion}}
}

// ParseOverwrite reads an overwrite policy by its name, or true for replace
// and false for never. The error is an *mft.Error of code mft.CodeUsage.
func ParseOverwrite(s string) (mft.Overwrite, error) {
	switch policy := mft.Overwrite(strings.ToLower(s)); policy {
	case mft.OverwriteReplace, mft.OverwriteNever, mft.OverwriteVersion:
		return policy, nil
	case "true":
		return mft.OverwriteReplace, nil
	case "false":
		return mft.OverwriteNever, nil
	}
	return "", mft.Fail(mft.CodeUsage, "read overwrite policy", s,
		errors.New("want true (replace), false (never) or version"))
}

// ParseMaxDelete reads how much a mirror may remove: a number of files, a
// percentage of what is at the destination, or both with a comma. What is left
// out has no limit. The error is an *mft.Error of code mft.CodeUsage.
func ParseMaxDelete(s string) (mft.Mirror, error) {
	m := mft.Mirror{On: true, MaxFiles: -1, MaxPercent: -1}
	for part := range strings.SplitSeq(s, ",") {
		number, percent := strings.CutSuffix(strings.TrimSpace(part), "%")
		n, err := strconv.ParseInt(number, 10, 64)
		switch {
		case err != nil || n < 0, percent && (n > 100 || m.MaxPercent >= 0), !percent && m.MaxFiles >= 0:
			return mft.Mirror{}, mft.Fail(mft.CodeUsage, "read what may be removed", s,
				errors.New("want a number of files such as 1000, a share such as 50%, or both: 1000,50%"))
		case percent:
			m.MaxPercent = int(n)
		default:
			m.MaxFiles = n
		}
	}
	return m, nil
}

// A StableFor and a RescanTime are durations with a range of their own.
type (
	StableFor  time.Duration
	RescanTime time.Duration
)

func (v *StableFor) ReadText(s string) error {
	d, err := between(s, 10*time.Millisecond, 24*time.Hour)
	*v = StableFor(d)
	return err
}

func (*StableFor) Schema() map[string]any { return Text(durationPattern) }

func (v *RescanTime) ReadText(s string) error {
	d, err := between(s, time.Second, 24*time.Hour)
	*v = RescanTime(d)
	return err
}

func (*RescanTime) Schema() map[string]any { return Text(durationPattern) }

const durationPattern = `^([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+$`

func between(s string, least, most time.Duration) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if err != nil || d < least || d > most {
		return 0, fmt.Errorf("want a time from %s to %s, such as 500ms or 30s", least, most)
	}
	return d, nil
}

// A Pattern is a glob.
type Pattern string

func (v *Pattern) ReadText(s string) error {
	if err := trigger.CheckPatterns(mft.Selection{Include: []string{s}}); err != nil {
		return Cause(err)
	}
	*v = Pattern(s)
	return nil
}

func (*Pattern) Schema() map[string]any { return Text("") }

// A Pin is a key in the form of `mft key show`.
type Pin string

func (v *Pin) ReadText(s string) error {
	if _, err := identity.ParsePin(s); err != nil {
		return Cause(err)
	}
	*v = Pin(s)
	return nil
}

func (*Pin) Schema() map[string]any { return Text("^mft1:[A-Za-z0-9_-]{43}$") }

// A PinOrPins is a list that may be written as its only entry.
type PinOrPins []Pin

func (*PinOrPins) Lone() {}

// An AzureName is an entry of azure-mft's allow lists. It may be no legal name:
// then no agent can have it, and the entry allows nothing.
type AzureName string

func (v *AzureName) ReadText(s string) error {
	*v = AzureName(s)
	return nil
}

func (*AzureName) Schema() map[string]any { return map[string]any{"type": "string"} }

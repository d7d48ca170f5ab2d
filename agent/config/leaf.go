package config

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

// text describes any string that matches the pattern, "" for all.
func text(pattern string) map[string]any {
	s := map[string]any{"type": "string", "minLength": 1}
	if pattern != "" {
		s["pattern"] = pattern
	}
	return s
}

// cause takes off the *mft.Error that another package made for a value: its
// code and subject are those of the file here.
func cause(err error) error {
	var e *mft.Error
	if errors.As(err, &e) && e.Err != nil {
		return e.Err
	}
	return err
}

// agentName is the name of an agent.
type agentName mft.AgentName

func (v *agentName) ReadText(s string) error {
	name, err := mft.ParseAgentName(s)
	if err != nil {
		return fmt.Errorf("%s is no agent name: %w", strict.Clip(s), cause(err))
	}
	*v = agentName(name)
	return nil
}

func (*agentName) Schema() map[string]any {
	s := text("^[a-z0-9]+(-[a-z0-9]+)*$")
	s["maxLength"] = 63
	return s
}

// channelName is the name of a channel.
type channelName string

func (v *channelName) ReadText(s string) error {
	if s == "" || len(s) > 64 || strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") != "" || strings.ContainsAny(s[:1], "._-") {
		return errors.New("a channel's name has 1 to 64 letters, digits, dots, hyphens and underscores, and starts with a letter or digit")
	}
	*v = channelName(s)
	return nil
}

func (*channelName) Schema() map[string]any {
	return text("^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")
}

// listenOn is HOST:PORT to listen on; the host may be empty, the port 0.
type listenOn string

func (v *listenOn) ReadText(s string) error {
	if !hostPort(s, 0) {
		return errors.New("want HOST:PORT or :PORT, such as :7420 or 127.0.0.1:7420")
	}
	*v = listenOn(s)
	return nil
}

func (*listenOn) Schema() map[string]any { return text(":[0-9]{1,5}$") }

// dialTo is HOST:PORT to dial.
type dialTo string

func (v *dialTo) ReadText(s string) error {
	if !hostPort(s, 1) || strings.HasPrefix(s, ":") {
		return errors.New("want HOST:PORT, such as ledger.example:7420")
	}
	*v = dialTo(s)
	return nil
}

func (*dialTo) Schema() map[string]any { return text("^.+:[0-9]{1,5}$") }

func hostPort(s string, least int) bool {
	host, port, err := net.SplitHostPort(s)
	if err != nil || len(host) > 253 || strings.ContainsFunc(host, func(r rune) bool { return r <= ' ' || r == 0x7f || r == '/' }) {
		return false
	}
	n, err := strconv.ParseUint(port, 10, 16)
	return err == nil && int(n) >= least
}

// localPath is an absolute path on this host.
type localPath string

func (v *localPath) ReadText(s string) error {
	if why := unusable(s, filepath.IsAbs(s)); why != "" {
		return errors.New(why)
	}
	*v = localPath(filepath.Clean(s))
	return nil
}

func (*localPath) Schema() map[string]any { return text("") }

// hostPath is an absolute path on some host: /srv/in, C:\in or \\server\in.
type hostPath string

func (v *hostPath) ReadText(s string) error {
	if why := unusable(s, AbsoluteSomewhere(s)); why != "" {
		return errors.New(why)
	}
	*v = hostPath(s)
	return nil
}

func (*hostPath) Schema() map[string]any { return text(`^(/|[A-Za-z]:[\\/]|\\\\)`) }

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

// word is any text on one line.
type word string

func (v *word) ReadText(s string) error {
	if s == "" || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' }) {
		return errors.New("want one word")
	}
	*v = word(s)
	return nil
}

func (*word) Schema() map[string]any { return text(`^\S+$`) }

// logLevel is how much is logged.
type logLevel slog.Level

func (v *logLevel) ReadText(s string) error {
	levels := map[string]slog.Level{
		"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError,
	}
	level, ok := levels[s]
	if !ok {
		return errors.New("want debug, info, warn or error")
	}
	*v = logLevel(level)
	return nil
}

func (*logLevel) Schema() map[string]any {
	return map[string]any{"enum": []string{"debug", "info", "warn", "error"}}
}

// azureLevel is azure-mft's log_level, which knew debug and all the rest.
type azureLevel slog.Level

func (v *azureLevel) ReadText(s string) error {
	if strings.EqualFold(s, "debug") {
		*v = azureLevel(slog.LevelDebug)
	}
	return nil
}

func (*azureLevel) Schema() map[string]any { return map[string]any{"type": "string"} }

// atOnce is a number of transfers.
type atOnce int

func (v *atOnce) ReadText(s string) error {
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > 256 {
		return errors.New("want a number from 1 to 256")
	}
	*v = atOnce(n)
	return nil
}

func (*atOnce) Schema() map[string]any {
	return map[string]any{"type": "integer", "minimum": 1, "maximum": 256}
}

// versionOne is the number of azure-mft's format, of which there was one.
type versionOne struct{}

func (*versionOne) ReadText(s string) error {
	if s != "1" {
		return errors.New("want 1, the only version there is")
	}
	return nil
}

func (*versionOne) Schema() map[string]any { return map[string]any{"enum": []any{1, "1"}} }

// yesNo is true or false.
type yesNo bool

func (v *yesNo) ReadText(s string) error {
	b, err := strconv.ParseBool(s)
	if err != nil || len(s) < 4 {
		return errors.New("want true or false")
	}
	*v = yesNo(b)
	return nil
}

func (*yesNo) Schema() map[string]any { return map[string]any{"type": "boolean"} }

// overwrite is an overwrite policy by name, or the true and false that
// azure-mft knew.
type overwrite mft.Overwrite

func (v *overwrite) ReadText(s string) error {
	policy, err := ParseOverwrite(s)
	if err != nil {
		return cause(err)
	}
	*v = overwrite(policy)
	return nil
}

func (*overwrite) Schema() map[string]any {
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

// stableFor and rescanTime are durations with a range of their own.
type (
	stableFor  time.Duration
	rescanTime time.Duration
)

func (v *stableFor) ReadText(s string) error {
	d, err := between(s, 10*time.Millisecond, 24*time.Hour)
	*v = stableFor(d)
	return err
}

func (*stableFor) Schema() map[string]any { return text(durationPattern) }

func (v *rescanTime) ReadText(s string) error {
	d, err := between(s, time.Second, 24*time.Hour)
	*v = rescanTime(d)
	return err
}

func (*rescanTime) Schema() map[string]any { return text(durationPattern) }

const durationPattern = `^([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+$`

func between(s string, least, most time.Duration) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if err != nil || d < least || d > most {
		return 0, fmt.Errorf("want a time from %s to %s, such as 500ms or 30s", least, most)
	}
	return d, nil
}

// pattern is a glob.
type pattern string

func (v *pattern) ReadText(s string) error {
	if err := trigger.CheckPatterns(mft.Selection{Include: []string{s}}); err != nil {
		return cause(err)
	}
	*v = pattern(s)
	return nil
}

func (*pattern) Schema() map[string]any { return text("") }

// pin is a key in the form of `mft key show`.
type pin string

func (v *pin) ReadText(s string) error {
	if _, err := identity.ParsePin(s); err != nil {
		return cause(err)
	}
	*v = pin(s)
	return nil
}

func (*pin) Schema() map[string]any { return text("^mft1:[A-Za-z0-9_-]{43}$") }

// pinOrPins is a list that may be written as its only entry.
type pinOrPins []pin

func (*pinOrPins) Lone() {}

// azureName is an entry of azure-mft's allow lists. It may be no legal name:
// then no agent can have it, and the entry allows nothing.
type azureName string

func (v *azureName) ReadText(s string) error {
	*v = azureName(s)
	return nil
}

func (*azureName) Schema() map[string]any { return map[string]any{"type": "string"} }

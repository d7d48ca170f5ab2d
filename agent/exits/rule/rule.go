package rule

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"mft.dev/mft"
)

// Bounds and defaults of what an mft.Exit says.
const (
	DefaultTimeout    = 10 * time.Minute
	MaxTimeout        = 24 * time.Hour
	DefaultRetryDelay = 10 * time.Second
	MaxRetryDelay     = time.Hour
	MaxRetries        = 100
	// PreTimeout bounds phase pre: the sender waits for its answer.
	PreTimeout   = 10 * time.Second
	DefaultUmask = 0o077
)

// A Rule is an exit that was checked. It is immutable.
type Rule struct {
	exit  mft.Exit // with defaults
	match *regexp.Regexp
	args  []argument
	umask int
	key   [32]byte
}

// Exit returns what the rule was made of, defaults filled in.
func (r *Rule) Exit() mft.Exit { return r.exit }

// Umask returns the mask of new files.
func (r *Rule) Umask() int { return r.umask }

// Phase reads the name of a phase: pre, post or error, or as in `after:`
// success or failure.
func Phase(text string) (mft.ExitPhase, error) {
	switch text {
	case "pre", "post", "error":
		return mft.ExitPhase(text), nil
	case "success":
		return mft.ExitPost, nil
	case "failure":
		return mft.ExitError, nil
	}
	return "", errors.New("want pre, post or error; success is post, failure is error")
}

// Compile checks an exit. Notes are for the operator: what is meant by
// something that is not written quite as it should be, and what may surprise.
// The error says which key of the exit is wrong, and how to mend it.
func Compile(e mft.Exit) (r *Rule, notes []string, err error) {
	r = &Rule{exit: e}
	if err := r.settings(); err != nil {
		return nil, nil, err
	}
	match, note, err := pattern(e.Match)
	if err != nil {
		return nil, nil, err
	}
	r.match = match
	if note != "" {
		notes = append(notes, note)
	}
	if err := r.command(); err != nil {
		return nil, nil, err
	}
	if r.dashed() {
		notes = append(notes, "run: a file name may begin with `-` and be taken for an option; put -- before {fileName}, or use {fullFilePath}")
	}
	// The end is no part of it: this host is one end of a transfer.
	r.key = sha256.Sum256(fmt.Appendf(nil, "%q %q %q %q %q", e.Phase, r.exit.From, e.Channel, e.Match, e.Run))
	return r, notes, nil
}

// settings fills in and checks what is not the command.
func (r *Rule) settings() error {
	e := &r.exit
	if e.From == "*" {
		e.From = ""
	}
	e.At = cmp.Or(e.At, mft.EndDestination)
	pre := e.Phase == mft.ExitPre
	most := MaxTimeout
	if pre {
		most = PreTimeout
	}
	if e.Timeout == 0 {
		e.Timeout = min(DefaultTimeout, most)
	}
	if e.RetryDelay == 0 && !pre {
		e.RetryDelay = DefaultRetryDelay
	}
	if e.Directory == "" {
		e.Directory = filepath.FromSlash("/")
	}
	var err error
	if r.umask, err = umask(e.Umask); err != nil {
		return err
	}
	switch {
	case e.Phase != mft.ExitPre && e.Phase != mft.ExitPost && e.Phase != mft.ExitError:
		return fmt.Errorf("phase: %q is none; there are pre, post and error", e.Phase)
	case e.At != mft.EndSource && e.At != mft.EndDestination:
		return fmt.Errorf("at: %q is no end; there are source and destination", e.At)
	case e.Timeout < 0 || e.Timeout > most:
		return fmt.Errorf("timeout: %v is not above 0 and at most %v, which is the most in phase %s", e.Timeout, most, e.Phase)
	case pre && (e.Retries != 0 || e.RetryDelay != 0 || e.Once):
		return errors.New("retries, retry_delay, once: have no meaning in phase pre, for the transfer waits; it comes again by itself")
	case e.Retries < 0 || e.Retries > MaxRetries:
		return fmt.Errorf("retries: %d is not between 0 and %d", e.Retries, MaxRetries)
	case e.RetryDelay < 0 || e.RetryDelay > MaxRetryDelay:
		return fmt.Errorf("retry_delay: %v is not between 0 and %v", e.RetryDelay, MaxRetryDelay)
	case !filepath.IsAbs(e.Directory) && e.Directory != filepath.FromSlash("/"):
		return fmt.Errorf("directory: %q is not absolute", e.Directory)
	case strings.ContainsRune(e.Directory+e.User+e.Group, 0):
		return errors.New("directory, user, group: NUL is not allowed")
	}
	return nil
}

func umask(text string) (int, error) {
	if text == "" {
		return DefaultUmask, nil
	}
	n, err := strconv.ParseUint(text, 8, 16)
	if err != nil || n > 0o777 || len(text) < 3 || len(text) > 4 {
		return 0, fmt.Errorf("umask: %q is not three or four octal digits, such as 027", text)
	}
	return int(n), nil
}

// command parses program and arguments.
func (r *Rule) command() error {
	run := r.exit.Run
	size := 0
	for _, text := range run {
		size += len(text) + 1
	}
	switch {
	case len(run) == 0 || run[0] == "":
		return errors.New("run: no program is named")
	case len(run) > maxArgs || size > maxCommand:
		return fmt.Errorf("run: at most %d arguments and %d bytes are allowed", maxArgs, maxCommand)
	case strings.ContainsRune(strings.Join(run, ""), 0):
		return errors.New("run: an argument has a NUL byte")
	}
	for _, text := range run {
		a, err := parse(text)
		if err != nil {
			return err
		}
		r.args = append(r.args, a)
	}
	if !r.args[0].fixed() {
		return errors.New("run: the program must not depend on a variable, or a peer would choose it")
	}
	program := r.args[0].expand(nil)
	if !filepath.IsAbs(program) && filepath.ToSlash(program) != path.Base(filepath.ToSlash(program)) {
		return fmt.Errorf("run: %q is neither absolute nor a bare name", program)
	}
	return r.script(base(program))
}

// interpreters are programs that run what an argument says.
const interpreters = " sh bash dash ash ksh mksh zsh fish csh tcsh busybox cmd powershell pwsh " +
	"python python2 python3 perl ruby node php lua tclsh awk gawk mawk env "

// script refuses variables where an interpreter looks for its program: a peer
// would write what runs. That is everything up to its first argument that is
// no option, and what follows -c and -e.
func (r *Rule) script(program string) error {
	if !strings.Contains(interpreters, " "+program+" ") {
		return nil
	}
	everything := program == "cmd" || program == "powershell" || program == "pwsh"
	begun := false
	for i, a := range r.args[1:] {
		text := r.exit.Run[i+1]
		before := r.exit.Run[i]
		if (!begun || everything || before == "-c" || before == "-e") && !a.fixed() {
			return fmt.Errorf("run: %s would take a name that a peer chose for its program, or for part of it; "+
				`hand it over as an argument of a fixed script: [/bin/sh, -c, 'import "$1"', sh, "{fullFilePath}"]`, program)
		}
		if program == "env" && !strings.HasPrefix(text, "-") && !strings.Contains(text, "=") {
			program, begun = base(text), false
			if everything = program == "cmd"; !strings.Contains(interpreters, " "+program+" ") {
				return nil
			}
			continue
		}
		begun = begun || program != "env" && !strings.HasPrefix(text, "-")
	}
	return nil
}

// base returns the name of a program without directory and extension.
func base(program string) string {
	return strings.TrimSuffix(strings.ToLower(path.Base(strings.ReplaceAll(program, `\`, "/"))), ".exe")
}

// dashed reports whether {fileName} begins an argument that no -- stands
// before.
func (r *Rule) dashed() bool {
	for i, a := range r.args {
		if r.exit.Run[i] == "--" {
			return false
		}
		if i > 0 && strings.HasPrefix(r.exit.Run[i], "{fileName}") && len(a) > 0 {
			return true
		}
	}
	return false
}

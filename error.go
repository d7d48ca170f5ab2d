package mft

import (
	"errors"
	"fmt"
	"strings"
)

// A Code is the stable name of an outcome. Codes cross the wire, stand in the
// journal and in JSON output, and never change their meaning. The zero value
// and CodeOK both mean that nothing is wrong.
type Code string

// The closed list of codes. docs/operations.md has a line for each; a test
// holds the two together.
const (
	CodeOK        Code = "OK"
	CodeDelivered Code = "ALREADY_DELIVERED"
	CodePartial   Code = "PARTIAL"

	// Refusals of the other end.
	CodeNotAllowed  Code = "NOT_ALLOWED"
	CodeBadPath     Code = "BAD_PATH"
	CodeReplayed    Code = "REPLAYED"
	CodeExpired     Code = "EXPIRED"
	CodeBadSigned   Code = "BAD_SIGNATURE"
	CodeMaintenance Code = "MAINTENANCE"
	CodeBusy        Code = "BUSY"
	CodeElsewhere   Code = "ELSEWHERE"
	CodeOutdated    Code = "OUTDATED"
	// CodePendingUpdate is that of a peer which is about to be updated.
	CodePendingUpdate Code = "PENDING_UPDATE"
	CodeBlocked       Code = "BLOCKED"
	// Conditions of server groups.
	CodeFailedOver Code = "FAILED_OVER"
	CodeNoMember   Code = "NO_ACTIVE_MEMBER"

	// What people count on of a channel and did not get.
	CodeLate    Code = "LATE"
	CodeMissing Code = "MISSING"
	CodeUnusual Code = "UNUSUAL"
	CodeSilent  Code = "SILENT"

	// Conditions of a file system.
	CodeNoSpace     Code = "INSUFFICIENT_SPACE"
	CodeQuota       Code = "QUOTA_EXCEEDED"
	CodePermission  Code = "INSUFFICIENT_PERMISSION"
	CodeNameTooLong Code = "NAME_TOO_LONG"
	CodeTooLarge    Code = "FILE_TOO_LARGE"
	CodeReadOnly    Code = "READ_ONLY"
	CodeExists      Code = "EXISTS"
	CodeNotFound    Code = "NOT_FOUND"
	CodeNotRegular  Code = "NOT_REGULAR"
	CodeWrongType   Code = "WRONG_TYPE"
	CodeSymlink     Code = "SYMLINK_IN_PATH"
	CodeLinkRefused Code = "LINK_REFUSED"
	CodeUnpreserved Code = "NOT_PRESERVED"
	CodeChanged     Code = "CHANGED_WHILE_READ"
	CodeRaced       Code = "DESTINATION_CHANGED"
	CodeIO          Code = "IO_ERROR"
	CodeCorrupt     Code = "CORRUPT"
	CodeDeleteLimit Code = "DELETE_LIMIT"
	CodeEmptySource Code = "EMPTY_SOURCE"
	CodeNotMounted  Code = "NOT_MOUNTED"
	CodeRootSetID   Code = "ROOT_SETID"
	CodeGuard       Code = "GUARD_FAILED"
	CodeSourceLeft  Code = "SOURCE_LEFT"
	CodeCalendar    Code = "CALENDAR_OUTDATED"

	// Conditions of the network and the peer.
	CodeUnreachable  Code = "UNREACHABLE"
	CodeDisconnected Code = "DISCONNECTED"
	CodeRelayed      Code = "RELAYED"
	CodeUnknownPeer  Code = "UNKNOWN_PEER"
	CodeUntrusted    Code = "UNTRUSTED_KEY"
	CodeProtocol     Code = "PROTOCOL"
	CodeVersion      Code = "VERSION_MISMATCH"

	// What an operator said or mistyped.
	CodeCancelled  Code = "CANCELLED"
	CodePaused     Code = "PAUSED"
	CodeUsage      Code = "USAGE"
	CodeBadName    Code = "BAD_NAME"
	CodeConfig     Code = "BAD_CONFIG"
	CodeBadState   Code = "WRONG_STATE"
	CodeInvite     Code = "INVITE_REFUSED"
	CodeNotRunning Code = "AGENT_NOT_RUNNING"
	CodeRunning    Code = "AGENT_ALREADY_RUNNING"
	CodeTimeout    Code = "TIMEOUT"
	CodeIDTaken    Code = "ID_TAKEN"
	CodeNoAnswer   Code = "NO_ANSWER"

	CodeExit        Code = "EXIT_FAILED"
	CodeExitRefused Code = "EXIT_REFUSED"
	// Conditions of who is told of events.
	CodeCollectorAway    Code = "COLLECTOR_AWAY"
	CodeCollectorRefuses Code = "COLLECTOR_REFUSES"

	// Conditions of an update.
	CodeBadRelease Code = "BAD_RELEASE"
	CodeUnfit      Code = "RELEASE_UNFIT"
	CodeTrial      Code = "UPDATE_FAILED"

	CodeConfinement Code = "CONFINEMENT"
	CodeNotSigned   Code = "NOT_SIGNED"
	CodeKeysAway    Code = "KEYS_AWAY"

	CodeJournal Code = "JOURNAL"
	// CodeWorker is that of an attempt whose process has ended.
	CodeWorker   Code = "WORKER_ENDED"
	CodeInternal Code = "INTERNAL"
	CodeOther    Code = "OTHER_ERROR"
)

// A meaning is what is known of a code without looking at the case.
type meaning struct {
	code      Code
	sentence  string // what happened, for people
	remedy    string // what to do about it
	retryable bool   // waiting, or trying again unchanged, may help
}

// meanings is the closed list, in the order of docs/operations.md.
var meanings = [...]meaning{
	{CodeOK, "nothing is wrong", "", false},
	{CodeDelivered, "the transfer had already been delivered", "nothing: the earlier delivery stands", false},
	{CodePartial, "some items were delivered, others could not be", "see the item events with `mft transfer show ID`, mend the cause, send those again", false},

	{CodeNotAllowed, "the other host does not allow this", "on the host that refuses, extend the allow list (config `allow:` or `mft peer allow`)", false},
	{CodeBadPath, "the path is not one that may be used", "use a path inside the directory that the receiver allows, without `..`, NUL or empty components", false},
	{CodeReplayed, "the message was seen before", "nothing if a retry follows by itself; else look for a copied journal or a cloned host", true},
	{CodeExpired, "the message is past its time", "set the clocks of both hosts", true},
	{CodeBadSigned, "the signature does not fit the message", "run `mft peer list` on both ends and pair again if the keys differ", false},
	{CodeMaintenance, "the peer is shutting down or being serviced", "nothing: it is tried again", true},
	{CodeElsewhere, "another agent of the peer's name has begun to deliver the transfer", "nothing while that agent runs: it goes on there. If it never comes back, cancel the transfer and send again", true},
	{CodeOutdated, "what came through the exchange copies from a version of a file that the receiver does not have", "nothing: everything is sent again, whole", true},
	{CodeBusy, "the peer has as many transfers as it takes at once", "nothing: it is tried again", true},
	{CodePendingUpdate, "the peer is being updated and begins nothing new", "nothing: it is tried again", true},
	{CodeFailedOver, "another member of the server group became active before this was delivered", "nothing: what was not delivered is sent to that member, by a transfer of its own", false},
	{CodeNoMember, "no member of the server group is the active one, or several say that they are", "see `mft channel list` for what is seen of each; nothing is sent to the group until exactly one is", true},
	{CodeBlocked, "a block marker of the receiving host is there, or cannot be looked at", "nothing: it is tried again, and goes on when the marker has gone; the sentence names it", true},

	{CodeLate, "content of a channel has not moved by the time it was due", "look with `mft channel list` what the channel waits for, and at the program that makes the files", false},
	{CodeMissing, "content of a channel has not moved by the time it was due, nor in the grace after it", "look with `mft channel list` what the channel waits for, and at the program that makes the files", false},
	{CodeUnusual, "a run of a channel moved more or less than is expected", "compare what was sent (`mft transfer list --channel NAME`) with what the program that makes the files should have made; if it is right, change `expect.size` or `expect.count`", false},
	{CodeSilent, "no content of a channel has moved for longer than is expected", "look with `mft channel list` what the channel waits for, and at the program that makes the files", false},

	{CodeNoSpace, "there is not enough free space", "free space on the file system that is named; the transfer goes on by itself", true},
	{CodeQuota, "the quota is used up", "raise the disk quota of the service user, or what the agent may have at its relay (`relay.quota` there), or remove files; the transfer goes on by itself", true},
	{CodePermission, "the service user lacks the permission", "give the user that runs mft access to the path that is named", false},
	{CodeNameTooLong, "the name is longer than the file system allows", "shorten the name; most file systems allow 255 bytes a component", false},
	{CodeTooLarge, "the file is larger than the file system or the limits of the service user allow", "use another file system, or raise the limit (`LimitFSIZE=`, `ulimit -f`)", false},
	{CodeReadOnly, "the file system is read-only", "mount it writable; look in the kernel log for the cause", true},
	{CodeExists, "a file of that name is already there", "use --overwrite=true, or another destination path", false},
	{CodeNotFound, "there is no such file or directory", "check the path on the host that is named", false},
	{CodeNotRegular, "it is a socket, device or named pipe", "such things are not transferred; exclude them", false},
	{CodeWrongType, "something of another type is at the destination", "remove or rename what stands at the path that is named", false},
	{CodeSymlink, "a component of the path is a symbolic link", "name the real directory: symbolic links are not followed below an allowed root", false},
	{CodeLinkRefused, "it is a symbolic link, and `symlinks: refuse` of the channel lets none be", "put what it leads to in its place, leave it out by a rule, or say `symlinks: copy` or `skip`", false},
	{CodeChanged, "the file changed while it was read", "nothing at first: it is read again, 5 times at once and that 5 times within a quarter of a minute. A file that still changes then fails, and nothing of it arrives: when the producer has finished, `mft transfer retry ID`; better, have it write aside and rename, or raise `stable` of the channel", true},
	{CodeRaced, "somebody made the destination directory while its content was on the way", "nothing: it is sent again, into the directory that is there now", true},
	{CodeIO, "the operating system reported an input/output error", "look at the disk and the kernel log of the host that is named", true},
	{CodeCorrupt, "the content does not match its hash", "nothing: it is sent again; if it recurs, check memory and disk of both hosts", true},
	{CodeDeleteLimit, "the mirror would remove more than is allowed, and removed nothing", "see whether the source is what you think it is; if so, allow it with `--max-delete N` or `--max-delete P%` (`max_delete:` of a channel)", false},
	{CodeEmptySource, "the source of the mirror, or of a channel that must not be empty, is empty, and nothing was removed", "see whether the source is mounted and the right one; a destination is only emptied by hand", false},
	{CodeRootSetID, "a file with setuid would belong to root here, or one with setgid to its group: whoever may run it would have its rights", "if the sender is to be trusted with that, `allow_root_setid: true` beside `allow_setid` in allow.files_from", false},
	{CodeNotMounted, "no file system is mounted at the source of a channel that has to have one, and the run sent and removed nothing", "mount it; the run is repeated by itself. If it is no mount point, leave out `guard.mount_point`", false},
	{CodeGuard, "the command that checks the source of a channel did not agree, and the run sent and removed nothing", "see what the command says and mend what it complains of; the run is repeated by itself", false},
	{CodeUnpreserved, "extended attributes or access lists that are to be preserved are too large to travel, or the file system at the destination does not take them", "use a file system that has them, make them smaller, or take xattrs or acls out of `preserve`", false},
	{CodeSourceLeft, "files that every destination has could not be removed from the source of a channel, or moved to its archive", "mend what the sentence names, often a permission or the archive directory; it is tried again by itself, at the latest after an hour, and nothing is sent again", false},
	{CodeCalendar, "the file of holidays of a calendar cannot be read any more, and what it said before holds", "mend what the sentence names, and see that the agent's user may read the file; it is read again within a minute", false},

	{CodeUnreachable, "the peer cannot be reached", "check address, firewall and that `mft run` is up on the peer; it is tried again", true},
	{CodeDisconnected, "the connection broke", "nothing: the transfer resumes where it was", true},
	{CodeRelayed, "it lies in the exchange and waits for the peer", "nothing: it goes on when the peer's agent takes it from there; if it never does, see that it runs with the same exchange (`mft status` there)", true},
	{CodeUnknownPeer, "no peer of that name is known here", "pair the hosts with `mft invite` and `mft join`; `mft peer list` shows the known ones", false},
	{CodeUntrusted, "the peer showed a key that is not pinned", "if the peer was reinstalled, remove it and pair again; else treat it as an attack", false},
	{CodeProtocol, "the peer sent something that makes no sense here", "check that both ends run a supported version (`mft version`); report it if they do", false},
	{CodeVersion, "the two ends share no protocol version", "update the older one", false},

	{CodeCancelled, "an operator cancelled it", "nothing, or start it again with `mft transfer retry ID`", false},
	{CodePaused, "an operator paused it", "`mft transfer resume ID`", false},
	{CodeUsage, "the command line cannot be understood", "see `mft help COMMAND`", false},
	{CodeBadName, "the name or id is not well formed", "see the sentence for what is allowed", false},
	{CodeConfig, "the configuration cannot be used", "mend what is named in the configuration; `mft config check` tries it without starting", false},
	{CodeBadState, "that cannot be done in the state the transfer is in", "see `mft transfer show ID`", false},
	{CodeInvite, "the invitation is not valid: unknown, used or older than 15 minutes", "make a new one with `mft invite`", false},
	{CodeNotRunning, "no agent answers on the local socket", "start it with `mft run`, or name its configuration with --config", true},
	{CodeRunning, "another agent already uses this data directory", "stop it first, or give this one a data directory of its own", false},
	{CodeTimeout, "it took longer than allowed", "try again; look at the load of both hosts", true},
	{CodeIDTaken, "the transfer id stands for another order", "repeat an order word for word, or leave out --id for a new transfer; `mft transfer show ID` tells what has the id", false},
	{CodeNoAnswer, "the agent went away before it answered, and may have taken the order", "once the agent runs, see `mft transfer show ID`, or repeat the command with --id ID, which cannot deliver twice", false},

	{CodeExit, "a command that runs because of a transfer failed; what was delivered stands", "see its output on the host that runs it, in `mft transfer show ID` or the log, and mend the command; after a delivery run it by hand where it is still needed", true},
	{CodeExitRefused, "a command of the receiving host, or of the sending one, decided against the transfer", "the reason is what that command wrote; the log of that host says which it was", false},
	{CodeCollectorAway, "what receives telemetry cannot be reached, or has no time", "nothing for transfers, which go on; events wait in the journal and follow when it is back. Check `telemetry:` and the collector", true},
	{CodeCollectorRefuses, "what receives telemetry refuses it", "nothing for transfers, which go on; events wait in the journal. Check address, headers, key and `signals` of `telemetry:`, and that the collector takes them", true},

	{CodeBadRelease, "the release is not one that a trusted key has signed", "fetch it again from where it is made, and compare `update.keys` with what `mft release key` prints there; if both are right, treat it as an attack", false},
	{CodeUnfit, "the release is not for this host", "see the sentence; `mft update --check` shows what is there", false},
	{CodeTrial, "the new version did not come up, and the one before it goes on", "see the sentence and the log of the agent; report it to those who made the release", false},

	{CodeConfinement, "a process could not be confined as it should be", "see `mft doctor` for the walls that are missing and why; nothing runs without those that are required", false},
	{CodeNotSigned, "the key process refused what it was asked to sign or open", "report it; an agent never asks for that: if nobody has changed the program, treat it as an attack on this host", false},
	{CodeKeysAway, "the process that has the keys does not answer", "nothing: it is started anew; if it recurs, see the log of the agent", true},

	{CodeJournal, "the journal could not be read or written", "look at the disk that holds the data directory; nothing is delivered without the journal", true},
	{CodeWorker, "the process that moves the files ended before it was done, or as soon as it was started", "nothing: it is tried again in a new process; if it recurs, see the log of the agent for what the process said", true},
	{CodeInternal, "a defect of mft itself", "report it with the log of both ends", false},
	{CodeOther, "a cause that has no code of its own", "see the sentence and the log", true},
}

func (c Code) meaning() meaning {
	for _, m := range meanings {
		if m.code == c || (c == "" && m.code == CodeOK) {
			return m
		}
	}
	return meaning{code: c, sentence: "unknown code " + string(c), remedy: "update this end: the peer knows more codes"}
}

// Codes returns the closed list in its documented order.
func Codes() []Code {
	out := make([]Code, len(meanings))
	for i, m := range meanings {
		out[i] = m.code
	}
	return out
}

// OK reports whether nothing is wrong.
func (c Code) OK() bool { return c == "" || c == CodeOK }

// Known reports whether c is on the closed list.
func (c Code) Known() bool {
	for _, m := range meanings {
		if m.code == c {
			return true
		}
	}
	return false
}

// Sentence says in plain words what c means.
func (c Code) Sentence() string { return c.meaning().sentence }

// Remedy says what a person can do about c; empty when there is nothing.
func (c Code) Remedy() string { return c.meaning().remedy }

// Retryable reports whether the same attempt may succeed later without
// anybody changing what was asked for.
func (c Code) Retryable() bool { return c.meaning().retryable }

// An Error is a failure that a user can meet. It says what was tried (Op), on
// what (Subject), why it failed (Code, Err); the remedy follows from the code.
type Error struct {
	Code    Code
	Op      string // what was being done, "open destination"
	Subject string // a path, a name; may be hostile bytes: printed quoted
	Err     error  // the cause, may be nil
}

// Error returns "op subject: cause [CODE]" with the subject quoted.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Op)
	if e.Subject != "" {
		fmt.Fprintf(&b, " %q", e.Subject)
	}
	if b.Len() > 0 {
		b.WriteString(": ")
	}
	if e.Err != nil {
		b.WriteString(e.Err.Error())
	} else {
		b.WriteString(e.Code.Sentence())
	}
	if !strings.HasSuffix(b.String(), "["+string(e.Code)+"]") {
		fmt.Fprintf(&b, " [%s]", e.Code)
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Is makes errors.Is(err, &Error{Code: c}) true for every error of code c.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Op == "" && t.Subject == "" && t.Err == nil && t.Code == e.Code
}

// Fail makes an *Error. The cause may be nil. A cause that already has a code
// keeps it only if code is empty.
func Fail(code Code, op, subject string, cause error) error {
	if code == "" {
		code = CodeOf(cause)
	}
	return &Error{Code: code, Op: op, Subject: subject, Err: cause}
}

// CodeOf returns the code of the outermost *Error in err's chain, CodeOK for
// nil and CodeOther for an error without a code.
func CodeOf(err error) Code {
	if err == nil {
		return CodeOK
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return CodeOther
}

// ReasonOf makes of err what goes into the journal and over the wire.
func ReasonOf(err error) Reason {
	if err == nil {
		return Reason{}
	}
	return Reason{Code: CodeOf(err), Detail: err.Error()}
}

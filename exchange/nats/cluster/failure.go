package cluster

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go"

	"mft.dev/mft"
	"mft.dev/mft/exchange"
)

// An Answer is an error that JetStream gives, in its own words.
type Answer struct {
	Status int    `json:"code"`     // like that of HTTP
	Code   int    `json:"err_code"` // stable, one for each cause
	Text   string `json:"description"`
}

// Error implements error.
func (a *Answer) Error() string {
	return fmt.Sprintf("JetStream answers %d: %s", a.Code, clip(a.Text))
}

// Codes of JetStream that mean something to callers.
const (
	WrongLastID       = 10070
	WrongLastSequence = 10071
	wrongLastConstant = 10164
)

// codes are what answers of JetStream mean.
var codes = map[int]mft.Code{
	10014: mft.CodeNotFound, // consumer not found
	10037: mft.CodeNotFound, // no message found
	10059: mft.CodeNotFound, // stream not found

	10058: mft.CodeExists, // stream name in use with a different configuration
	10065: mft.CodeExists, // subjects overlap with a stream
	10013: mft.CodeExists, // consumer name in use

	WrongLastSequence: mft.CodeExists,
	wrongLastConstant: mft.CodeExists,

	10023: mft.CodeNoSpace, // insufficient resources
	10028: mft.CodeNoSpace, // memory resources exceeded
	10047: mft.CodeNoSpace, // insufficient storage resources
	10077: mft.CodeNoSpace, // the limits of a stream
	10002: mft.CodeNoSpace, // resource limits exceeded for account
	10120: mft.CodeNoSpace, // maximum bytes of an account

	10039: mft.CodeNotAllowed, // JetStream not enabled for account
	10054: mft.CodeTooLarge,   // message size exceeds the stream's maximum
}

// Failure puts an error in words of ours, with a code.
func Failure(ctx context.Context, op, subject string, err error) error {
	return exchange.Failure(ctx, op, subject, err, explain)
}

func explain(err error) (mft.Code, string) {
	var answer *Answer
	switch {
	case errors.As(err, &answer):
		return answer.code(), answer.Error()
	case errors.Is(err, errDenied):
		return mft.CodeNotAllowed, errDenied.Error()
	case errors.Is(err, nats.ErrAuthorization), errors.Is(err, nats.ErrAuthExpired), errors.Is(err, nats.ErrAuthRevoked),
		errors.Is(err, nats.ErrAccountAuthExpired), errors.Is(err, nats.ErrPermissionViolation), errors.Is(err, nats.ErrNkeysNotSupported):
		return mft.CodeNotAllowed, "the server does not take this credential: " + clip(err.Error())
	case errors.Is(err, nats.ErrNoResponders):
		return mft.CodeNotFound, "nothing in the cluster answers to that: it is not set up, or JetStream is not enabled in this account"
	case errors.Is(err, nats.ErrMaxPayload):
		return mft.CodeTooLarge, "the servers take no messages as large as that (max_payload)"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, nats.ErrTimeout):
		return mft.CodeUnreachable, "no answer in time"
	}
	return mft.CodeUnreachable, clip(err.Error())
}

func (a *Answer) code() mft.Code {
	if code, ok := codes[a.Code]; ok {
		return code
	}
	switch {
	case a.Status == 404:
		return mft.CodeNotFound
	case a.Status >= 500, a.Status == 408:
		return mft.CodeUnreachable
	}
	return mft.CodeProtocol
}

// Answered reports whether JetStream gave one of the codes.
func Answered(err error, codes ...int) bool {
	var answer *Answer
	if !errors.As(err, &answer) {
		return false
	}
	for _, c := range codes {
		if answer.Code == c || c == WrongLastSequence && answer.Code == wrongLastConstant {
			return true
		}
	}
	return false
}

// clip makes one line of what the library or the server says, and cuts it.
func clip(text string) string {
	const most = 300
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}

// Package wire is what an agent and the relay that keeps its letters and objects
// say to each other: requests over HTTP/2 whose paths name an agent, with small
// bodies in JSON and large ones as they are.
//
//	POST   /1/{agent}/letters                 a letter to an agent; ?try puts none, ?hidden leases it at once
//	POST   /1/{agent}/take                    Take        → Letters
//	POST   /1/{agent}/renew                   Hold        → Held
//	POST   /1/{agent}/remove                  Hold
//	GET    /1/{agent}/objects?after=NAME                  → Objects
//	PUT    /1/{agent}/objects/{name}/{block}  a block
//	POST   /1/{agent}/objects/{name}/publish  Publish
//	POST   /1/{agent}/objects/{name}/grant    Life        → Grant
//	DELETE /1/{agent}/objects/{name}
//	GET    /1/{agent}/keys                                → Statements
//	PUT    /1/{agent}/keys/{id}               a statement
//	DELETE /1/{agent}/keys/{id}
//	GET    /1/{agent}/place                               → Place
//	POST   /1/read                            Read        → bytes of an object
//
// Who asks is the agent of the certificate; letters may be put to others, keys
// read of others, and everything else is about the one who asks. The package
// decides nothing: it bounds, encodes and decodes.
package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"mft.dev/mft"
)

// Proto is the application protocol of TLS (RFC 9113).
const Proto = "h2"

// Limits of both ends.
const (
	// MaxOrder is the most bytes of a request in JSON, which are few.
	MaxOrder = 4 << 10
	// MaxAnswer is the most bytes of an answer in JSON: 32 letters in base64 take
	// a quarter of it.
	MaxAnswer = 1 << 20
	// MaxBlock is the most bytes of a block, and of what is read at once.
	MaxBlock = 256 << 20
	// MaxBlocks is the most blocks of an object.
	MaxBlocks = 50_000
	// MaxLease is the longest lease.
	MaxLease = 24 * time.Hour
	// MaxWait is the longest time to wait for letters.
	MaxWait = time.Minute
	// Page is the most objects of one answer.
	Page = 1000
	// MaxDetail is the most bytes of the sentence of a Problem.
	MaxDetail = 1 << 10
	// MaxClaim is the most bytes of a claim and of the id of a letter.
	MaxClaim = 64
	// RefPrefix begins the reference of a grant, RefSize is its length.
	RefPrefix = "mft-relay1."
	RefSize   = len(RefPrefix) + 43
)

// Take asks for letters.
type Take struct {
	Most  int   `json:"most"`
	Lease int64 `json:"lease_ms"`
	Wait  int64 `json:"wait_ms"`
}

// Letters are letters that were taken.
type Letters struct {
	Letters []Letter `json:"letters"`
}

// A Letter is a letter that was taken.
type Letter struct {
	ID    string `json:"id"`
	Body  []byte `json:"body"`
	Taken int    `json:"taken"`
	Claim string `json:"claim"`
}

// Hold is about a letter that was taken.
type Hold struct {
	ID    string `json:"id"`
	Claim string `json:"claim"`
	Lease int64  `json:"lease_ms,omitempty"`
}

// Held says how a letter is held now.
type Held struct {
	ID    string `json:"id"`
	Claim string `json:"claim"`
}

// Publish says of how many blocks an object is.
type Publish struct {
	Blocks int `json:"blocks"`
}

// Life is how long an object is to be granted.
type Life struct {
	Life int64 `json:"life_ms"`
}

// Grant is a right to read one object. Until is in Unix milliseconds, by the clock
// of the relay.
type Grant struct {
	Ref   string `json:"ref"`
	Until int64  `json:"until_ms"`
}

// Read asks for bytes of a granted object.
type Read struct {
	Ref    string `json:"ref"`
	Offset int64  `json:"offset"`
	Length int    `json:"length"`
}

// Objects is one page of a container. More says that there are others, after the
// last.
type Objects struct {
	Objects []Object `json:"objects"`
	More    bool     `json:"more"`
}

// An Object is one object of a container. Changed is in Unix milliseconds.
type Object struct {
	Name      string `json:"name"`
	Published bool   `json:"published"`
	Size      int64  `json:"size"`
	Changed   int64  `json:"changed_ms"`
}

// Statements are what an agent has stated of its keys.
type Statements struct {
	Statements [][]byte `json:"statements"`
}

// A Place is what an agent has and may have at the relay.
type Place struct {
	Relay   mft.AgentName `json:"relay"`
	Agent   mft.AgentName `json:"agent"`
	Now     int64         `json:"now_ms"`
	Letters int64         `json:"letters"` // that wait for it
	Put     int64         `json:"put"`     // that it has put and that others have not removed
	Objects int64         `json:"objects"`
	Bytes   int64         `json:"bytes"`
	Quota   Quota         `json:"quota"`
}

// Quota is what one agent may have at the relay.
type Quota struct {
	Letters int64 `json:"letters"` // that others have not removed
	Objects int64 `json:"objects"`
	Bytes   int64 `json:"bytes"`
}

// Encode returns v in JSON.
func Encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		return nil // the types of this package always marshal
	}
	return b
}

// Decode reads v from at most most bytes of r: one value, no unknown keys. The error
// has mft.CodeProtocol, or mft.CodeTooLarge, or wraps that of r.
func Decode(r io.Reader, most int64, v any) error {
	const op = "read JSON"
	content, err := io.ReadAll(io.LimitReader(r, most+1))
	if err != nil {
		return err
	}
	if int64(len(content)) > most {
		return mft.Fail(mft.CodeTooLarge, op, "", fmt.Errorf("it has more than %d bytes", most))
	}
	d := json.NewDecoder(bytes.NewReader(content))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return mft.Fail(mft.CodeProtocol, op, "", errors.New("it is not what was to come"))
	}
	if _, err := d.Token(); err != io.EOF {
		return mft.Fail(mft.CodeProtocol, op, "", errors.New("something follows the value"))
	}
	return nil
}

// Milliseconds returns d for a field of this package, rounded up.
func Milliseconds(d time.Duration) int64 {
	return int64((d + time.Millisecond - 1) / time.Millisecond)
}

// Span reads a time of more than 0 and at most most from a field. The error has
// mft.CodeUsage.
func Span(ms int64, most time.Duration) (time.Duration, error) {
	if ms <= 0 || ms > int64(most/time.Millisecond) {
		return 0, mft.Fail(mft.CodeUsage, "read a time", strconv.FormatInt(ms, 10), fmt.Errorf("want milliseconds of at most %v", most))
	}
	return time.Duration(ms) * time.Millisecond, nil
}

// Block reads the number of a block as it stands in a path. The error has
// mft.CodeTooLarge or mft.CodeUsage.
func Block(text string) (int, error) {
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil || strconv.FormatUint(n, 10) != text {
		return 0, mft.Fail(mft.CodeUsage, "read number of block", text, errors.New("want a number"))
	}
	if n >= MaxBlocks {
		return 0, mft.Fail(mft.CodeTooLarge, "read number of block", text, fmt.Errorf("there are no more than %d", MaxBlocks))
	}
	return int(n), nil
}

// CheckRef refuses with mft.CodeBadPath what is no reference of a relay.
func CheckRef(ref string) error {
	text, ours := strings.CutPrefix(ref, RefPrefix)
	if !ours || len(ref) != RefSize || strings.Trim(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
		return mft.Fail(mft.CodeBadPath, "read granted object", "", errors.New("the reference does not lead to an object of a relay"))
	}
	return nil
}

// A Problem is why a request was refused.
type Problem struct {
	Code   mft.Code `json:"code"`
	Detail string   `json:"detail"`
}

// statuses are the codes that cross the wire, each with the status that says most
// to those who look no further.
var statuses = []struct {
	code   mft.Code
	status int
}{
	{mft.CodeUsage, http.StatusBadRequest},
	{mft.CodeProtocol, http.StatusBadRequest},
	{mft.CodeBadName, http.StatusBadRequest},
	{mft.CodeBadPath, http.StatusBadRequest},
	{mft.CodeNotAllowed, http.StatusForbidden},
	{mft.CodeNotFound, http.StatusNotFound},
	{mft.CodeTimeout, http.StatusRequestTimeout},
	{mft.CodeExists, http.StatusConflict},
	{mft.CodeExpired, http.StatusGone},
	{mft.CodeTooLarge, http.StatusRequestEntityTooLarge},
	{mft.CodeBusy, http.StatusTooManyRequests},
	{mft.CodeMaintenance, http.StatusServiceUnavailable},
	{mft.CodeQuota, http.StatusInsufficientStorage},
	{mft.CodeNoSpace, http.StatusInsufficientStorage},
}

// Refusal returns what a relay answers to an error, and the status. What is wrong
// inside of the relay is told to its log and not to an agent: told says whether
// the answer has the reason.
func Refusal(err error) (status int, p Problem, told bool) {
	code := mft.CodeOf(err)
	for _, s := range statuses {
		if s.code != code {
			continue
		}
		detail := code.Sentence()
		var e *mft.Error
		if errors.As(err, &e) && e.Err != nil {
			detail = e.Err.Error()
		}
		return s.status, Problem{Code: code, Detail: clip(detail)}, true
	}
	return http.StatusInternalServerError, Problem{Code: mft.CodeInternal, Detail: "the relay has a fault; its log says more"}, false
}

// Error returns the error that an answer of this status and body means. The
// body may be anything.
func Error(op, subject string, status int, body []byte) error {
	var p Problem
	if err := Decode(bytes.NewReader(body), MaxOrder, &p); err != nil {
		return foreign(op, subject, status)
	}
	known := slices.ContainsFunc(statuses, func(s struct {
		code   mft.Code
		status int
	},
	) bool {
		return s.code == p.Code && s.status == status
	})
	cause := fmt.Errorf("the relay says: %s", clip(p.Detail))
	switch {
	case !known:
		return mft.Fail(mft.CodeUnreachable, op, subject, fmt.Errorf("%w (status %d)", cause, status))
	case p.Code == mft.CodeBusy, p.Code == mft.CodeMaintenance:
		return mft.Fail(mft.CodeUnreachable, op, subject, cause)
	case p.Code == mft.CodeTimeout:
		return mft.Fail(mft.CodeDisconnected, op, subject, cause)
	}
	return mft.Fail(p.Code, op, subject, cause)
}

// foreign is the error of an answer that no relay gives.
func foreign(op, subject string, status int) error {
	code := mft.CodeProtocol
	if status >= 500 || status == http.StatusTooManyRequests || status == http.StatusRequestTimeout {
		code = mft.CodeUnreachable
	}
	return mft.Fail(code, op, subject, fmt.Errorf("the answer has status %d and is not that of a relay of mft", status))
}

// clip makes text of a stranger short and printable.
func clip(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == utf8.RuneError || r >= 0x80 && r < 0xa0 {
			return '?'
		}
		return r
	}, s)
	if len(s) > MaxDetail {
		s = strings.ToValidUTF8(s[:MaxDetail-3], "") + "…"
	}
	return s
}

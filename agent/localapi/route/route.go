package route

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"mft.dev/mft"
)

// lineTimeout is how long a reader of a stream may take for one line.
const lineTimeout = 30 * time.Second

// Routes are an [Answer] or a [Stream] for each pattern of net/http.
type Routes map[string]http.Handler

// An Answer makes the reply to one request. The error becomes a Problem.
type Answer func(r *http.Request) (any, error)

// ServeHTTP implements http.Handler.
func (f Answer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), answerTimeout)
	defer cancel()
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(answerTimeout + lineTimeout))
	out, err := f(r.WithContext(ctx))
	if errors.Is(err, context.Canceled) {
		// Either nobody waits for the answer, or the agent stops.
		err = mft.Fail(mft.CodeMaintenance, "answer", "", errors.New("the agent is stopping"))
	}
	if err != nil {
		refuse(w, err)
		return
	}
	reply(w, http.StatusOK, out)
}

// A Stream reads an order and returns what tells of it, line by line, until ctx ends or
// all is told.
type Stream func(r *http.Request) (tell func(ctx context.Context, out *Lines) error, err error)

// ServeHTTP implements http.Handler.
func (f Stream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ctl := http.NewResponseController(w)
	_ = ctl.SetReadDeadline(time.Time{})
	tell, err := f(r)
	if err != nil {
		refuse(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.Header().Set("Cache-Control", "no-store")
	out := &Lines{w, ctl}
	end := last{End: true}
	if err := tell(r.Context(), out); err != nil {
		end = last{Problem: ProblemOf(err)}
	}
	// The caller may have gone, which is its own affair.
	_ = out.Send(end)
	_ = out.Flush()
}

// Lines are those of a stream, each a JSON object.
type Lines struct {
	w   http.ResponseWriter
	ctl *http.ResponseController
}

// Send adds a line.
func (l *Lines) Send(line any) error {
	_ = l.ctl.SetWriteDeadline(time.Now().Add(lineTimeout))
	return json.NewEncoder(l.w).Encode(line)
}

// Flush has the lines reach the reader now.
func (l *Lines) Flush() error { return l.ctl.Flush() }

// Read reads the body of an order into out.
func Read(r *http.Request, out any) error {
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	err := d.Decode(out)
	if err == nil && d.More() {
		err = errors.New("something follows the order")
	}
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		err = fmt.Errorf("it is longer than %d bytes: give a directory or a pattern instead of many names", large.Limit)
	}
	if err != nil {
		return mft.Fail(mft.CodeUsage, "read order", r.URL.Path, err)
	}
	return nil
}

func reply(w http.ResponseWriter, status int, out any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	// The caller may have gone, which is its own affair.
	_ = json.NewEncoder(w).Encode(out)
}

func refuse(w http.ResponseWriter, err error) {
	p := ProblemOf(err)
	reply(w, statusOf(p.Code), p)
}

// statusOf returns the HTTP status that says most about a code to those who
// look no further.
func statusOf(c mft.Code) int {
	switch c {
	case mft.CodeNotFound, mft.CodeUnknownPeer:
		return http.StatusNotFound
	case mft.CodePermission:
		return http.StatusForbidden
	case mft.CodeBadState, mft.CodeIDTaken:
		return http.StatusConflict
	case mft.CodeMaintenance:
		return http.StatusServiceUnavailable
	case mft.CodeJournal, mft.CodeInternal, mft.CodeOther, mft.CodeIO:
		return http.StatusInternalServerError
	}
	return http.StatusBadRequest
}

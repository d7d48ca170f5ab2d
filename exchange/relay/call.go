package relay

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/exchange/relay/wire"
)

// A call is one request.
type call struct {
	op, subject string // for errors
	method      string
	path        string
	body        []byte
	json        bool // what body is
	// more is how long the answer may take beyond the usual.
	more time.Duration
}

// own is the path of something that belongs to this agent.
func (r *Relay) own(words ...string) string { return r.of(r.c.Agent, words...) }

func (r *Relay) of(agent mft.AgentName, words ...string) string {
	return "/1/" + string(agent) + "/" + strings.Join(words, "/")
}

// order returns a call with a body in JSON.
func order(op, subject, path string, v any) call {
	return call{op: op, subject: subject, method: http.MethodPost, path: path, body: wire.Encode(v), json: true}
}

// ask sends c and reads the answer into v, if that is not nil.
func (r *Relay) ask(ctx context.Context, c call, v any) error {
	return r.do(ctx, c, func(body io.Reader) error {
		if v == nil {
			_, err := io.Copy(io.Discard, io.LimitReader(body, wire.MaxOrder))
			return err
		}
		return wire.Decode(body, wire.MaxAnswer, v)
	})
}

// do sends c and has what a good answer brings read.
func (r *Relay) do(ctx context.Context, c call, read func(io.Reader) error) error {
	if err := ctx.Err(); err != nil {
		return r.failure(ctx, c, err)
	}
	within := answerWithin + c.more + time.Duration(len(c.body)/slowest)*time.Second
	timed, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	req, err := http.NewRequestWithContext(timed, c.method, "https://"+string(r.c.Relay)+c.path, http.NoBody)
	if err != nil {
		return mft.Fail(mft.CodeInternal, c.op, c.subject, err)
	}
	if c.body != nil {
		// Without GetBody nothing is sent a second time unless it was not begun.
		req.Body, req.ContentLength = io.NopCloser(bytes.NewReader(c.body)), int64(len(c.body))
		req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(c.body)), nil }
	}
	req.Header.Set("Content-Type", "application/octet-stream")
	if c.json {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := r.transport.RoundTrip(req)
	if err != nil {
		return r.failure(ctx, c, err)
	}
	defer resp.Body.Close() // only read from
	if resp.StatusCode != http.StatusOK {
		body, err := io.ReadAll(io.LimitReader(resp.Body, wire.MaxOrder))
		if err != nil {
			return r.failure(ctx, c, err)
		}
		return wire.Error(c.op, c.subject, resp.StatusCode, body)
	}
	if err := read(resp.Body); err != nil {
		return r.failure(ctx, c, err)
	}
	return nil
}

// failure gives an error of HTTP its code.
func (r *Relay) failure(ctx context.Context, c call, err error) error {
	if ctx.Err() != nil {
		code := mft.CodeCancelled
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			code = mft.CodeTimeout
		}
		return mft.Fail(code, c.op, c.subject, errors.Join(ctx.Err(), context.Cause(ctx)))
	}
	var coded *mft.Error
	switch {
	case refused(err):
		return mft.Fail(mft.CodeNotAllowed, c.op, c.subject, errNotKnown)
	case errors.As(err, &coded):
		return mft.Fail(coded.Code, c.op, c.subject, err)
	case errors.Is(err, context.DeadlineExceeded):
		return mft.Fail(mft.CodeDisconnected, c.op, c.subject, errors.New("the relay takes too long to answer"))
	case r.turnedAway(ctx):
		return mft.Fail(mft.CodeNotAllowed, c.op, c.subject, errNotKnown)
	}
	return mft.Fail(mft.CodeDisconnected, c.op, c.subject, err)
}

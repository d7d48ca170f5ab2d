package server

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/exchange"
	"mft.dev/mft/exchange/relay/store"
	"mft.dev/mft/exchange/relay/wire"
)

// A request is one order of an agent. Path are the words of the URL behind the version:
// the first names the agent that it is about.
type request struct {
	s     *Server
	w     http.ResponseWriter
	r     *http.Request
	who   mft.AgentName
	about mft.AgentName
	words []string // after the agent
}

// An order is one kind of request.
type order struct {
	method string
	// words are what follows the agent in the path; "*" is any word.
	words string
	// others says that it may be about another agent than the one that asks.
	others bool
	do     func(*request) (answer any, err error)
}

// orders are all that there are.
func orders() []order {
	return []order{
		{http.MethodPost, "letters", true, (*request).put},
		{http.MethodPost, "take", false, (*request).take},
		{http.MethodPost, "renew", false, (*request).renew},
		{http.MethodPost, "remove", false, (*request).remove},
		{http.MethodGet, "objects", false, (*request).list},
		{http.MethodPut, "objects/*/*", false, (*request).stage},
		{http.MethodPost, "objects/*/publish", false, (*request).publish},
		{http.MethodPost, "objects/*/grant", false, (*request).grant},
		{http.MethodDelete, "objects/*", false, (*request).removeObject},
		{http.MethodGet, "keys", true, (*request).statements},
		{http.MethodPut, "keys/*", false, (*request).state},
		{http.MethodDelete, "keys/*", false, (*request).unstate},
		{http.MethodGet, "place", false, (*request).place},
	}
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	defer closeQuietly(r.Body)
	answer, err := s.answer(w, r)
	if err == nil && answer == nil {
		return // it was written
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Type", "application/json")
	if err == nil {
		_, _ = w.Write(wire.Encode(answer)) // the agent may have gone
		return
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		// Either nobody waits for the answer, or the relay stops.
		err = mft.Fail(mft.CodeMaintenance, "answer", "", errors.New("the relay is stopping"))
	}
	status, problem, told := wire.Refusal(err)
	if !told {
		s.c.Log.Error("the relay cannot do what an agent asks for", "err", err)
	}
	w.WriteHeader(status)
	_, _ = w.Write(wire.Encode(problem))
}

// answer does what a request asks for. An answer of nil was written already.
func (s *Server) answer(w http.ResponseWriter, r *http.Request) (any, error) {
	if r.TLS == nil {
		return nil, mft.Fail(mft.CodeNotAllowed, "greet", "", errors.New("the connection is not encrypted"))
	}
	who, err := s.who(r.TLS.PeerCertificates)
	if err != nil {
		return nil, err
	}
	if v, ok := r.Context().Value(visitKey{}).(*visit); ok && v.tooMany() {
		w.Header().Set("Connection", "close")
		return nil, busy("this agent has as many connections as it may")
	}
	end, err := s.client(who).begin(r.Context())
	if err != nil {
		return nil, err
	}
	defer end()
	do, q, err := s.parse(who, r.Method, r.URL)
	if err != nil {
		return nil, err
	}
	q.w, q.r = w, r
	if err := q.bound(); err != nil {
		return nil, err
	}
	return do(q)
}

// parse finds out what a request is about, and whether the agent who may ask for
// it.
func (s *Server) parse(who mft.AgentName, method string, u *url.URL) (func(*request) (any, error), *request, error) {
	const op = "ask the relay for"
	unknown := func() (func(*request) (any, error), *request, error) {
		return nil, nil, mft.Fail(mft.CodeUsage, op, "", errors.New("there is no such request; the relay may be older than the agent"))
	}
	path, ours := strings.CutPrefix(u.EscapedPath(), "/1/")
	if !ours || len(path) > 512 {
		return unknown()
	}
	if path == "read" && method == http.MethodPost {
		return (*request).read, &request{s: s, who: who}, nil
	}
	agent, rest, _ := strings.Cut(path, "/")
	about, err := mft.ParseAgentName(agent)
	if err != nil {
		return unknown()
	}
	words := strings.Split(rest, "/")
	for _, o := range orders() {
		if o.method != method || !fits(strings.Split(o.words, "/"), words) {
			continue
		}
		if about != who && !o.others {
			return nil, nil, mft.Fail(mft.CodeNotAllowed, op, "", errors.New("agent "+string(who)+" may not do that with what is agent "+string(about)+"'s"))
		}
		return o.do, &request{s: s, who: who, about: about, words: words}, nil
	}
	return unknown()
}

func fits(pattern, words []string) bool {
	if len(pattern) != len(words) {
		return false
	}
	for i, p := range pattern {
		if p != "*" && p != words[i] {
			return false
		}
	}
	return true
}

// bound bounds how long and how large the body of a request may be.
func (q *request) bound() error {
	most := int64(wire.MaxOrder)
	if q.r.Method == http.MethodPut || len(q.words) == 1 && q.words[0] == "letters" {
		most = max(exchange.MaxLetter, exchange.MaxStatement)
	}
	if q.r.Method == http.MethodPut && q.words[0] == "objects" {
		most = wire.MaxBlock
		if q.r.ContentLength < 0 {
			return mft.Fail(mft.CodeUsage, "read block", "", errors.New("its length was not announced"))
		}
	}
	if q.r.ContentLength > most {
		return mft.Fail(mft.CodeTooLarge, "read request", "", errors.New("it is longer than it may be"))
	}
	q.r.Body = http.MaxBytesReader(q.w, q.r.Body, most)
	return q.deadline(http.NewResponseController(q.w).SetReadDeadline, max(q.r.ContentLength, 0))
}

// deadline says until when so many bytes must have passed.
func (q *request) deadline(set func(time.Time) error, size int64) error {
	d := q.s.c.Stall + time.Duration(size/SlowestRate)*time.Second
	if err := set(time.Now().Add(d)); err != nil {
		return mft.Fail(mft.CodeInternal, "bound request", "", err)
	}
	return nil
}

// body reads a small body as it is. What is longer than most is refused.
func (q *request) body(most int64) ([]byte, error) {
	content, err := io.ReadAll(io.LimitReader(q.r.Body, most+1))
	if err != nil {
		return nil, late(err)
	}
	if int64(len(content)) > most {
		return nil, mft.Fail(mft.CodeTooLarge, "read request", "", errors.New("it is longer than it may be"))
	}
	return content, nil
}

// order reads a body in JSON.
func (q *request) order(v any) error {
	content, err := q.body(wire.MaxOrder)
	if err != nil {
		return err
	}
	return wire.Decode(bytes.NewReader(content), wire.MaxOrder, v)
}

// late is the error of a body that did not come.
func late(err error) error {
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return mft.Fail(mft.CodeTooLarge, "read request", "", errors.New("it is longer than it may be"))
	}
	return mft.Fail(mft.CodeTimeout, "read request", "", errors.New("it did not come whole, or not in time"))
}

// nothing is an answer that says that all is done.
type nothing struct{}

func done(err error) (any, error) { return nothing{}, err }

func (q *request) put() (any, error) {
	body, err := q.body(exchange.MaxLetter)
	if err != nil {
		return nil, err
	}
	query := q.r.URL.Query()
	p := store.Put{From: q.who, To: q.about, Body: body}
	if q.s.client(q.about) == nil {
		return nil, mft.Fail(mft.CodeNotFound, "put letter", "", errors.New("the relay "+string(q.s.c.Name)+" serves no agent "+string(q.about)))
	}
	switch {
	case query.Has("try"):
		return done(exchange.CheckLetter(body))
	case query.Has("hidden") && q.who != q.about:
		return nil, mft.Fail(mft.CodeNotAllowed, "put letter", "", errors.New("only letters to oneself may be hidden"))
	case query.Has("hidden"):
		p.Hidden = time.Minute
	}
	return q.s.store.Put(q.r.Context(), p)
}

func (q *request) take() (any, error) {
	var t wire.Take
	if err := q.order(&t); err != nil {
		return nil, err
	}
	lease, err := wire.Span(t.Lease, wire.MaxLease)
	if err != nil {
		return nil, err
	}
	wait := time.Duration(0)
	if t.Wait != 0 {
		if wait, err = wire.Span(t.Wait, wire.MaxWait); err != nil {
			return nil, err
		}
	}
	letters, err := q.s.store.Take(q.r.Context(), q.who, t.Most, lease, wait)
	return wire.Letters{Letters: append([]wire.Letter{}, letters...)}, err
}

func (q *request) renew() (any, error) {
	var h wire.Hold
	if err := q.order(&h); err != nil {
		return nil, err
	}
	lease, err := wire.Span(h.Lease, wire.MaxLease)
	if err != nil {
		return nil, err
	}
	return q.s.store.Renew(q.r.Context(), q.who, h, lease)
}

func (q *request) remove() (any, error) {
	var h wire.Hold
	if err := q.order(&h); err != nil {
		return nil, err
	}
	return done(q.s.store.Remove(q.r.Context(), q.who, h))
}

func (q *request) list() (any, error) {
	after := q.r.URL.Query().Get("after")
	if after != "" {
		if err := exchange.CheckName(after); err != nil {
			return nil, err
		}
	}
	return q.s.store.List(q.r.Context(), q.who, after)
}

func (q *request) stage() (any, error) {
	number, err := wire.Block(q.words[2])
	if err != nil {
		return nil, err
	}
	return done(q.s.store.Stage(q.r.Context(), store.Block{Owner: q.who, Name: q.words[1], Number: number, Size: q.r.ContentLength}, q.r.Body))
}

func (q *request) publish() (any, error) {
	var p wire.Publish
	if err := q.order(&p); err != nil {
		return nil, err
	}
	return done(q.s.store.Publish(q.r.Context(), q.who, q.words[1], p.Blocks))
}

func (q *request) grant() (any, error) {
	var l wire.Life
	if err := q.order(&l); err != nil {
		return nil, err
	}
	life, err := wire.Span(l.Life, exchange.MaxGrant)
	if err != nil {
		return nil, err
	}
	return q.s.store.Grant(q.r.Context(), q.who, q.words[1], life)
}

func (q *request) removeObject() (any, error) {
	return done(q.s.store.RemoveObject(q.r.Context(), q.who, q.words[1]))
}

func (q *request) statements() (any, error) {
	list, err := q.s.store.Statements(q.r.Context(), q.about)
	return wire.Statements{Statements: list}, err
}

func (q *request) state() (any, error) {
	body, err := q.body(exchange.MaxStatement)
	if err != nil {
		return nil, err
	}
	return done(q.s.store.State(q.r.Context(), q.who, q.words[1], body))
}

func (q *request) unstate() (any, error) {
	return done(q.s.store.Unstate(q.r.Context(), q.who, q.words[1]))
}

func (q *request) place() (any, error) {
	p, err := q.s.store.Place(q.r.Context(), q.who)
	p.Relay = q.s.c.Name
	return p, err
}

// read sends bytes of an object.
func (q *request) read() (any, error) {
	var o wire.Read
	if err := q.order(&o); err != nil {
		return nil, err
	}
	content, err := q.s.store.Read(q.r.Context(), o.Ref, o.Offset, o.Length)
	if err != nil {
		return nil, err
	}
	defer closeQuietly(content)
	if err := q.deadline(http.NewResponseController(q.w).SetWriteDeadline, int64(o.Length)); err != nil {
		return nil, err
	}
	q.w.Header().Set("Content-Type", "application/octet-stream")
	q.w.Header().Set("Content-Length", strconv.Itoa(o.Length)) // half of an answer does not look like all of it
	if _, err := io.CopyBuffer(onlyWriter{q.w}, content, make([]byte, copySize)); err != nil {
		q.s.c.Log.Debug("an object was not read to its end", "agent", q.who, "err", err)
	}
	return nil, nil
}

// copySize is how much is sent at a time.
const copySize = 128 << 10

// An onlyWriter has no ReadFrom, which would not use the buffer.
type onlyWriter struct{ io.Writer }

package localapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent"
	"mft.dev/mft/agent/localapi/socket"
	relay "mft.dev/mft/exchange/relay/server"
)

const (
	// answerTimeout is how long an order may take, from its first byte to the
	// last of the answer. Pairing with a slow peer is the longest.
	answerTimeout = 2 * time.Minute
	// lineTimeout is how long a reader of a stream may take for one line.
	lineTimeout = 30 * time.Second
	// shutdownTimeout is how long answers may take once the agent stops.
	shutdownTimeout = 5 * time.Second
)

// A server answers orders to one agent.
type server struct {
	agent *agent.Agent
	held  func(context.Context) ([]relay.Held, error) // see Serve
}

// Listen makes the socket at path, see socket.Listen.
func Listen(path, group string) (*socket.Listener, error) { return socket.Listen(path, group) }

// verdictKey is where the context of a connection says why it is refused.
type verdictKey struct{}

// Serve answers on ln until ctx ends, then closes ln, waits for the answers
// under way, and returns nil. It may begin before a.Run and should end
// with it. The error of an earlier return says why ln failed. Held says what the
// agent keeps for others, as a relay.
func Serve(ctx context.Context, ln *socket.Listener, a *agent.Agent, held func(context.Context) ([]relay.Held, error)) error {
	s := &server{a, held}
	srv := &http.Server{
		Handler:           s.handler(),
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       answerTimeout,
		IdleTimeout:       time.Minute,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ConnContext: func(ctx context.Context, conn net.Conn) context.Context {
			return context.WithValue(ctx, verdictKey{}, ln.Admits(conn))
		},
	}
	stopped := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() {
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
		defer cancel()
		err := srv.Shutdown(grace)
		if err != nil {
			err = srv.Close()
		}
		stopped <- err
	})
	err := srv.Serve(ln)
	if stop() { // not begun: it was ln that failed
		srv.Close()
		return mft.Fail(mft.CodeIO, "serve the local socket", ln.Addr().String(), err)
	}
	if err := <-stopped; err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("closing the local socket: %w", err)
	}
	return nil
}

// An answer makes the reply to one request. The error becomes a Problem.
type answer func(s *server, r *http.Request) (any, error)

// handler returns everything that is served.
func (s *server) handler() http.Handler {
	mux := http.NewServeMux()
	for pattern, f := range map[string]answer{
		"GET /v1/status":                 (*server).status,
		"POST /v1/copy":                  (*server).copy,
		"POST /v1/request":               (*server).request,
		"GET /v1/transfers":              (*server).transfers,
		"GET /v1/transfers/{id}":         (*server).transfer,
		"POST /v1/transfers/{id}/{what}": (*server).act,
		"POST /v1/invites":               (*server).invite,
		"POST /v1/join":                  (*server).join,
		"GET /v1/peers":                  (*server).peers,
		"GET /v1/peers/{name}":           (*server).peer,
		"DELETE /v1/peers/{name}":        (*server).removePeer,
		"POST /v1/peers/{name}/allow":    (*server).allowPeer,
		"GET /v1/keys":                   (*server).keys,
		"POST /v1/keys/rotate":           (*server).rotateKey,
	} {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			ctx, cancel := context.WithTimeout(r.Context(), answerTimeout)
			defer cancel()
			_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(answerTimeout + lineTimeout))
			out, err := f(s, r.WithContext(ctx))
			if errors.Is(err, context.Canceled) {
				// Either nobody waits for the answer, or the agent stops.
				err = mft.Fail(mft.CodeMaintenance, "answer", "", errors.New("the agent is stopping"))
			}
			if err != nil {
				refuse(w, err)
				return
			}
			reply(w, http.StatusOK, out)
		})
	}
	mux.HandleFunc("GET /v1/watch", s.watch)
	mux.HandleFunc("GET /v1/events", s.events)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		refuse(w, mft.Fail(mft.CodeUsage, "ask the agent for", r.Method+" "+r.URL.Path, errors.New("there is no such order")))
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err, refused := r.Context().Value(verdictKey{}).(error); refused {
			refuse(w, mft.Fail(mft.CodePermission, "talk to the agent", "", err))
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		mux.ServeHTTP(w, r)
	})
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

// read reads the body of an order into out.
func read(r *http.Request, out any) error {
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

func idOf(r *http.Request) (mft.TransferID, error) { return mft.ParseTransferID(r.PathValue("id")) }

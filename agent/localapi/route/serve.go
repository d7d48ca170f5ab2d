package route

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"mft.dev/mft"
)

// shutdownTimeout is how long answers may take once the agent stops.
const shutdownTimeout = 5 * time.Second

// A Listener says of each of its connections why whoever made it is not admitted;
// nil if it is.
type Listener interface {
	net.Listener
	Admits(conn net.Conn) error
	// Caller names the user who made a connection.
	Caller(conn net.Conn) string
}

// The context of a connection says why it is refused, and who made it.
type (
	verdictKey struct{}
	callerKey  struct{}
)

// Caller names the user who gives an order.
func Caller(r *http.Request) string {
	name, _ := r.Context().Value(callerKey{}).(string)
	return name
}

// Serve answers on ln until ctx ends, then closes ln, waits for the answers
// under way, and returns nil. The error of an earlier return says why ln failed.
func Serve(ctx context.Context, ln Listener, all ...Routes) error {
	srv := &http.Server{
		Handler:           handler(all),
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       answerTimeout,
		IdleTimeout:       time.Minute,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ConnContext: func(ctx context.Context, conn net.Conn) context.Context {
			ctx = context.WithValue(ctx, callerKey{}, ln.Caller(conn))
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

// handler returns everything that is served.
func handler(all []Routes) http.Handler {
	mux := http.NewServeMux()
	for _, routes := range all {
		for pattern, to := range routes {
			mux.Handle(pattern, to)
		}
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		refuse(w, mft.Fail(mft.CodeUsage, "ask the agent for", r.Method+" "+r.URL.Path, errors.New("there is no such order")))
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err, refused := r.Context().Value(verdictKey{}).(error); refused {
			refuse(w, mft.Fail(mft.CodePermission, "talk to the agent", "", err))
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, MaxBody)
		mux.ServeHTTP(w, r)
	})
}

package cluster

import (
	"context"
	"errors"
	"regexp"
	"strings"
	"sync"

	"github.com/nats-io/nats.go"
)

// denials tells calls that the server has refused what they asked. A server of
// NATS does not answer what it refuses; it remarks on the connection that a
// subject was refused, and which.
type denials struct {
	inbox string
	mu    *sync.Mutex
	calls map[*call]bool
}

// A call is one that is under way.
type call struct {
	subject string
	refuse  context.CancelCauseFunc
}

func newDenials(inbox string) denials {
	return denials{inbox: inbox, mu: &sync.Mutex{}, calls: map[*call]bool{}}
}

// errDenied ends the context of a call that was refused.
var errDenied = errors.New("the server refuses it to this user")

// during returns a context that ends when the server refuses subject. Call done
// when the call is over.
func (d denials) during(ctx context.Context, subject string) (_ context.Context, done func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	c := &call{subject, cancel}
	d.mu.Lock()
	d.calls[c] = true
	d.mu.Unlock()
	return ctx, func() {
		d.mu.Lock()
		delete(d.calls, c)
		d.mu.Unlock()
		cancel(nil)
	}
}

var quoted = regexp.MustCompile(`"([^"]+)"`)

// hear is called with what the server remarks.
func (d denials) hear(_ *nats.Conn, _ *nats.Subscription, err error) {
	if !errors.Is(err, nats.ErrPermissionViolation) {
		return
	}
	found := quoted.FindStringSubmatch(err.Error())
	if found == nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for c := range d.calls {
		// Who may not listen for answers gets none at all.
		if c.subject == found[1] || strings.HasPrefix(found[1], d.inbox) {
			c.refuse(errDenied)
		}
	}
}

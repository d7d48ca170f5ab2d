// Package probe proves by trying that an agent may do in a storage what it must,
// and may not do what it must not.
package probe

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/exchange"
)

// A Finding is what came of trying one thing.
type Finding struct {
	OK     bool   `json:"ok"`
	What   string `json:"what"`             // was tried
	Says   string `json:"says"`             // what came of it
	Remedy string `json:"remedy,omitempty"` // empty when OK
}

// A Log collects findings. It is not safe for concurrent use.
type Log struct{ Found []Finding }

// tidyUp is how long it may take to remove what was made.
const tidyUp = 20 * time.Second

// Later returns a context for removing what was made, even when ctx has ended.
func Later(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), tidyUp)
}

// Name returns a name that nothing else has.
func Name() string {
	var b [6]byte
	_, _ = rand.Read(b[:]) // never fails
	return "mft-check-" + hex.EncodeToString(b[:])
}

// Note adds a finding.
func (l *Log) Note(ok bool, what, says, remedy string) bool {
	if ok {
		remedy = ""
	}
	l.Found = append(l.Found, Finding{ok, what, says, remedy})
	return ok
}

// Must notes that something has to succeed, and reports whether it did. The
// remedy is for want of rights or of what setup makes; other codes have their own.
func (l *Log) Must(what, remedy string, err error) bool {
	switch code := mft.CodeOf(err); code {
	case mft.CodeOK:
		return l.Note(true, what, "allowed", "")
	case mft.CodeNotAllowed, mft.CodePermission, mft.CodeNotFound, mft.CodeExists, mft.CodeOther:
		return l.Note(false, what, err.Error(), remedy)
	default:
		return l.Note(false, what, err.Error(), code.Remedy())
	}
}

// MustNot notes that something has to be refused.
func (l *Log) MustNot(what, remedy string, err error) {
	switch code := mft.CodeOf(err); {
	case err == nil:
		l.Note(false, what, "it is allowed, and must not be", remedy)
	case code == mft.CodeNotAllowed:
		l.Note(true, what, "refused, as it must be", "")
	default:
		l.Note(false, what, "it could not be tried: "+err.Error(), code.Remedy())
	}
}

// Container publishes a small object, calls meanwhile if it is there, reads it by
// a grant, lists and removes it.
func (l *Log) Container(ctx context.Context, x exchange.Exchange, remedy string, meanwhile func(name string)) {
	name, body := Name(), []byte("mft check")
	err := x.Container.Stage(ctx, name, 0, body)
	if err == nil {
		err = x.Container.Publish(ctx, name, 1)
	}
	if l.Must("publish an object in the own container", remedy, err) {
		grant, err := x.Container.Grant(ctx, name, time.Minute)
		if l.Must("grant it", remedy, err) {
			got := make([]byte, len(body))
			err := x.Reader.Read(ctx, grant.Ref, 0, got)
			if err == nil && !bytes.Equal(got, body) {
				err = mft.Fail(mft.CodeCorrupt, "read granted object", name, nil)
			}
			l.Must("read it by the grant", remedy, err)
		}
		if meanwhile != nil {
			meanwhile(name)
		}
	}
	l.Must("list the own container", remedy, x.Container.List(ctx, func(exchange.Object) bool { return false }))
	later, stop := Later(ctx)
	defer stop()
	l.Must("remove the object", remedy, x.Container.Remove(later, name))
}

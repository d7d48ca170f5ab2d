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
	OK     bool
	What   string // was tried
	Says   string // what came of it
	Remedy string // empty when OK
}

// A Log collects findings. It is not safe for concurrent use.
type Log struct{ Found []Finding }

// tidyUp is how long it may take to remove what was made.
const tidyUp = 20 * time.Second

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

// Must notes that something has to succeed, and reports whether it did.
func (l *Log) Must(what, remedy string, err error) bool {
	if err == nil {
		return l.Note(true, what, "allowed", "")
	}
	if code := mft.CodeOf(err); code != mft.CodeNotAllowed && code != mft.CodeNotFound && code != mft.CodeExists {
		remedy = code.Remedy()
	}
	return l.Note(false, what, err.Error(), remedy)
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
	later, stop := context.WithTimeout(context.WithoutCancel(ctx), tidyUp)
	defer stop()
	l.Must("remove the object", remedy, x.Container.Remove(later, name))
}

package courier

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/exchange"
	"mft.dev/mft/internal/durable"
	"mft.dev/mft/protocol"
	"mft.dev/mft/protocol/relay"
)

// A shelf keeps what was said about each transfer: the last envelope with
// which this end opened a conversation, and what answered it, each in a file
// TRANSFER.KIND.
type shelf struct {
	dir string
	// instance begins the names of this agent's objects: several agents of one
	// name share a container, and each removes only what is its own.
	instance string
}

// instanceFile holds the instance.
const instanceFile = "instance"

func openShelf(dir string) (shelf, error) {
	path := filepath.Join(dir, instanceFile)
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !instanceForm.Match(b) {
		b = []byte(strings.ToLower(rand.Text()[:12]))
		err = durable.WriteFile(path, b, 0o600)
	}
	if err != nil {
		return shelf{}, mft.Fail(mft.CodeJournal, "open", path, err)
	}
	return shelf{dir, string(b)}, nil
}

// instanceForm is what an instance looks like.
var instanceForm = regexp.MustCompile(`^[a-z2-7]{12}$`)

// The files of a transfer.
const (
	fileOpening  = ".opening"
	filePosted   = ".posted" // the opening, once it is in the peer's queue
	fileDecision = ".decision"
	fileReceipt  = ".receipt"
	fileAbort    = ".abort"
)

// asideDir is where letters lie that could not be dealt with.
const asideDir = "aside"

// said is what was said about a transfer.
type said struct {
	opening, posted, decision, receipt, abort *protocol.Envelope
}

func (s shelf) path(id mft.TransferID, file string) string {
	return filepath.Join(s.dir, id.String()+file)
}

// open keeps an opening. Answers to an earlier one stay: they are of use until
// others come.
func (s shelf) open(e *protocol.Envelope) error {
	return s.write(s.path(e.Transfer, fileOpening), e)
}

func (s shelf) write(path string, e *protocol.Envelope) error {
	if err := durable.WriteFile(path, protocol.AppendEnvelope(nil, e), 0o600); err != nil {
		return mft.Fail(mft.CodeJournal, "keep", filepath.Base(path), err)
	}
	return nil
}

// read returns what is in a file, nil when there is none.
func (s shelf) read(path string) (*protocol.Envelope, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, mft.Fail(mft.CodeJournal, "read", filepath.Base(path), err)
	}
	return protocol.ParseEnvelope(b)
}

// answer keeps an answer if it fits what was opened last, and reports whether it
// does. One that does not is late, or a copy of an old one.
func (s shelf) answer(e *protocol.Envelope) (bool, error) {
	opening, err := s.read(s.path(e.Transfer, fileOpening))
	if err != nil || opening == nil || e.CheckAnswer(opening) != nil {
		return false, err
	}
	file, ok := map[protocol.Kind]string{
		protocol.KindDecision: fileDecision, protocol.KindReceipt: fileReceipt, protocol.KindAbort: fileAbort,
	}[e.Kind]
	if !ok {
		return false, nil
	}
	return true, s.write(s.path(e.Transfer, file), e)
}

// posted notes that an opening is in the peer's queue.
func (s shelf) posted(e *protocol.Envelope) error {
	return s.write(s.path(e.Transfer, filePosted), e)
}

// tellAgain is after how long a peer that has not answered is told again: a
// queue can lose a letter.
const tellAgain = 24 * time.Hour

// told reports whether the peer need not be told again of what is published, a
// parcel by its object, or else of the offer.
func (s *said) told(now time.Time, object string) bool {
	if s.posted == nil || now.Sub(s.posted.Issued) >= tellAgain {
		return false
	}
	if s.opening == nil || s.opening.Nonce != s.posted.Nonce {
		return false // the last words may not have been put: another grant of the same parcel
	}
	if object == "" {
		return true
	}
	a, err := relay.Of(s.posted)
	return err == nil && a.Object == object
}

// offer returns what was offered, if anything was.
func (s *said) offer() (mft.Offer, bool) {
	if s.opening == nil {
		return mft.Offer{}, false
	}
	if a, err := relay.Of(s.opening); err == nil {
		return a.Offer, true
	}
	o, err := s.opening.Offer()
	return o, err == nil
}

// expired reports whether the peer could not use its grant of the parcel that it
// was told of last.
func (s *said) expired() bool {
	if s.abort == nil || s.opening == nil || s.abort.CheckAnswer(s.opening) != nil {
		return false
	}
	f, err := protocol.ParseFailure(s.abort.Body)
	return err == nil && f.Code == mft.CodeExpired
}

// load returns what was said about a transfer.
func (s shelf) load(id mft.TransferID) (said, error) {
	var out said
	for file, to := range map[string]**protocol.Envelope{
		fileOpening: &out.opening, filePosted: &out.posted, fileDecision: &out.decision, fileReceipt: &out.receipt, fileAbort: &out.abort,
	} {
		e, err := s.read(s.path(id, file))
		if err != nil {
			return said{}, err
		}
		*to = e
	}
	if out.abort != nil && (out.opening == nil || out.abort.CheckAnswer(out.opening) != nil) {
		out.abort = nil // a copy of an old one: it says nothing of the parcel that was announced since
	}
	return out, nil
}

// forget removes some of the files of a transfer, all without a name.
func (s shelf) forget(id mft.TransferID, files ...string) error {
	if len(files) == 0 {
		files = []string{filePosted, fileDecision, fileReceipt, fileAbort, fileOpening}
	}
	for _, file := range files {
		if err := os.Remove(s.path(id, file)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return mft.Fail(mft.CodeJournal, "forget", id.String()+file, err)
		}
	}
	return nil
}

// maxAside is how many letters are kept aside; beyond that the oldest go, so
// that a stranger who can write to the queue cannot fill the disk.
const maxAside = 1000

// putAside keeps a letter that could not be dealt with, and why.
func (c *Courier) putAside(_ context.Context, l exchange.Letter, reason error) error {
	dir := filepath.Join(c.c.Dir, asideDir)
	name := fmt.Sprintf("%d", c.c.Now().UnixNano())
	if err := durable.WriteFile(filepath.Join(dir, name+".letter"), l.Body, 0o600); err != nil {
		return mft.Fail(mft.CodeJournal, "put aside", "a letter", err)
	}
	if err := durable.WriteFile(filepath.Join(dir, name+".reason"), []byte(reason.Error()+"\n"), 0o600); err != nil {
		return mft.Fail(mft.CodeJournal, "put aside", "a letter", err)
	}
	entries, err := os.ReadDir(dir) // in the order of their names, which is that of time
	for i := 0; err == nil && i < len(entries)-2*maxAside; i++ {
		_ = os.Remove(filepath.Join(dir, entries[i].Name()))
	}
	c.c.PutAside(reason)
	return nil
}

// knows reports whether anything is kept for a transfer.
func (s shelf) knows(id mft.TransferID) (bool, error) {
	found, err := filepath.Glob(s.path(id, ".*")) // an id has no pattern in it, and dir is ours
	return len(found) > 0, err
}

// transfers returns those of which the shelf or a ledger knows.
func (s shelf) transfers() (map[string]bool, error) {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return nil, mft.Fail(mft.CodeJournal, "list", s.dir, err)
	}
	out := map[string]bool{}
	for _, e := range entries {
		if id, _, ok := strings.Cut(e.Name(), "."); ok {
			out[id] = true
		}
	}
	return out, nil
}

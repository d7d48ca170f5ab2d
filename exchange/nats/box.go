package nats

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"golang.org/x/sync/errgroup"

	"mft.dev/mft"
	"mft.dev/mft/exchange"
	"mft.dev/mft/exchange/nats/cluster"
)

// The subjects of a box. SECRET is random and of one object, TAG random and of
// one staging of a block; each subject keeps its last message.
//
//	mft.box.AGENT.o.NAME                    where the object is, and of what it is
//	mft.box.AGENT.b.SECRET.BLOCK            which chunks a block has: its TAG, and its length
//	mft.box.AGENT.c.SECRET.BLOCK.TAG.CHUNK  content
//	mft.box.AGENT.g.TOKEN                   a grant, until it ends
//
// Whatever is written of an object is written on the condition that its record
// o is still the one that was read, so that nothing is added to one that is
// published or being removed.

// chunk is the most content of a message in bytes: half of what servers take when
// nobody told them otherwise.
const chunk = 512 << 10

// otherSubject is the header that says whose last number a condition is about.
const otherSubject = "Nats-Expected-Last-Subject-Sequence-Subject"

var sizes = exchange.Sizes{MinBlock: 1, MaxBlock: 64 << 20, MaxBlocks: 50_000}

// The states of an object.
const (
	staging   = "staging"
	published = "published"
	removing  = "removing"
)

// A record is what lies at o, and with the same fields at g.
type record struct {
	State  string `json:"state,omitempty"`
	Secret string `json:"secret"`
	Blocks int    `json:"blocks,omitempty"`
	Block  int    `json:"block,omitempty"` // length of all blocks but the last
	Size   int64  `json:"size,omitempty"`
}

// A place is a record, and the number of the message that has it.
type place struct {
	record
	at uint64
}

// A staged block is what lies at b.
type staged struct {
	Tag    string `json:"tag"`
	Length int    `json:"length"`
}

// box implements exchange.Container.
type box struct{ *Storage }

// token returns a name that nobody can guess.
func token() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

func isToken(s string) bool {
	return len(s) == 32 && strings.Trim(s, "0123456789abcdef") == ""
}

func (b box) subject(parts ...string) string { return boxOf(b.agent) + "." + strings.Join(parts, ".") }

// errGone says that there is no such object.
var errGone = errors.New("there is none")

// find reads the record of an object from the server that decides. errGone when
// there is none.
func (b box) find(ctx context.Context, name string) (place, error) {
	var answer struct {
		Message struct {
			Number uint64 `json:"seq"`
			Data   []byte `json:"data"`
		} `json:"message"`
	}
	err := b.cluster.Ask(ctx, "STREAM.MSG.GET."+boxStream(b.agent), map[string]string{"last_by_subj": b.subject("o", name)}, &answer)
	if cluster.Answered(err, cluster.ErrNone.Code) {
		return place{}, errGone
	}
	if err != nil {
		return place{}, err
	}
	p := place{at: answer.Message.Number}
	return p, p.parse(answer.Message.Data)
}

// parse reads a record, and refuses what no agent writes.
func (r *record) parse(data []byte) error {
	if err := json.Unmarshal(data, r); err != nil || !isToken(r.Secret) || r.Blocks < 0 || r.Blocks > sizes.MaxBlocks ||
		r.Block < 0 || r.Block > sizes.MaxBlock || r.Size < 0 || r.Blocks == 0 && r.Size > 0 ||
		r.Blocks > 0 && (r.Block == 0 || (r.Size+int64(r.Block)-1)/int64(r.Block) != int64(r.Blocks)) {
		return mft.Fail(mft.CodeProtocol, "read record", "", errors.New("it is none that an agent has written"))
	}
	return nil
}

// write replaces the record of an object on the condition that it is still the
// one of p, or that there is none when p is the zero place.
func (b box) write(ctx context.Context, name string, p place, r record) (place, error) {
	data, _ := json.Marshal(r) // a struct of strings and numbers
	at, err := b.cluster.Store(ctx, boxStream(b.agent), b.subject("o", name), data,
		map[string]string{nats.ExpectedLastSubjSeqHdr: strconv.FormatUint(p.at, 10)})
	return place{r, at}, err
}

// open returns where an object is being staged, and makes it if there is none.
func (b box) open(ctx context.Context, name string) (place, error) {
	b.mu.Lock()
	p, known := b.known[name]
	b.mu.Unlock()
	if known {
		return p, nil
	}
	p, err := b.find(ctx, name)
	if errors.Is(err, errGone) {
		p, err = b.write(ctx, name, place{}, record{State: staging, Secret: token()})
		if cluster.Answered(err, cluster.WrongLastSequence) {
			p, err = b.find(ctx, name) // somebody was faster
		}
	}
	switch {
	case err != nil:
		return place{}, err
	case p.State == published:
		return place{}, mft.Fail(mft.CodeExists, "open object", name, errors.New("it is published"))
	case p.State != staging:
		return place{}, mft.Fail(mft.CodeUnreachable, "open object", name, errors.New("it is being removed"))
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.known) > 1000 {
		clear(b.known)
	}
	b.known[name] = p
	return p, nil
}

func (b box) forget(name string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.known, name)
}

// Stage implements exchange.Container.
func (b box) Stage(ctx context.Context, name string, block int, content []byte) error {
	if err := sizes.CheckBlock(name, block, content); err != nil {
		return err
	}
	err := b.stage(ctx, name, block, content)
	if cluster.Answered(err, cluster.WrongLastSequence) {
		b.forget(name) // it was published, or removed and made anew
		err = b.stage(ctx, name, block, content)
	}
	return cluster.Failure(ctx, "stage block of", name, err)
}

func (b box) stage(ctx context.Context, name string, block int, content []byte) error {
	p, err := b.open(ctx, name)
	if err != nil {
		return err
	}
	still := map[string]string{
		nats.ExpectedLastSubjSeqHdr: strconv.FormatUint(p.at, 10), otherSubject: b.subject("o", name),
	}
	number, tag := strconv.Itoa(block), token()[:16]
	group, within := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	for i := 0; i*chunk < len(content); i++ {
		group.Go(func() error {
			piece := content[i*chunk : min(len(content), (i+1)*chunk)]
			_, err := b.cluster.Store(within, boxStream(b.agent), b.subject("c", p.Secret, number, tag, strconv.Itoa(i)), piece, still)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	data, _ := json.Marshal(staged{tag, len(content)}) // a struct of a string and a number
	_, err = b.cluster.Store(ctx, boxStream(b.agent), b.subject("b", p.Secret, number), data, still)
	return err
}

// Publish implements exchange.Container.
func (b box) Publish(ctx context.Context, name string, blocks int) error {
	const op = "publish object"
	if err := sizes.CheckBlocks(name, blocks); err != nil {
		return err
	}
	err := b.publish(ctx, name, blocks)
	if cluster.Answered(err, cluster.WrongLastSequence) {
		err = b.publish(ctx, name, blocks) // somebody else did
	}
	if errors.Is(err, errGone) {
		return mft.Fail(mft.CodeNotFound, op, name, err)
	}
	return cluster.Failure(ctx, op, name, err)
}

func (b box) publish(ctx context.Context, name string, blocks int) error {
	p, err := b.find(ctx, name)
	switch {
	case err != nil:
		return err
	case p.State == published && p.Blocks == blocks:
		return nil
	case p.State == published:
		return mft.Fail(mft.CodeExists, "publish object", name, fmt.Errorf("it is published with %d blocks, not %d", p.Blocks, blocks))
	case p.State != staging:
		return errGone
	}
	r := record{State: published, Secret: p.Secret, Blocks: blocks}
	if r.Block, r.Size, err = b.measure(ctx, p.Secret, blocks); err != nil {
		return err
	}
	_, err = b.write(ctx, name, p, r)
	b.forget(name)
	return err
}

// measure returns the length of the blocks and of all together. It asks again
// for a while when one is missing: the server that is asked may be behind the one
// that took it.
func (b box) measure(ctx context.Context, secret string, blocks int) (block int, size int64, err error) {
	for tries := 1; ; tries++ {
		block, size, err = b.measureOnce(ctx, secret, blocks)
		if mft.CodeOf(err) != mft.CodeNotFound || b.options.Replicas == 1 || tries == 10 {
			return block, size, err
		}
		pause := time.NewTimer(200 * time.Millisecond)
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return 0, 0, ctx.Err()
		}
	}
}

func (b box) measureOnce(ctx context.Context, secret string, blocks int) (block int, size int64, err error) {
	lengths := make([]int, blocks)
	prefix := b.subject("b", secret) + "."
	pages := sizes.MaxBlocks/page + 2
	err = b.scan(ctx, boxStream(b.agent), prefix+"*", pages, func(m *nats.Msg) error {
		var s staged
		i, err := strconv.Atoi(strings.TrimPrefix(m.Header.Get("Nats-Subject"), prefix))
		if err != nil || i < 0 || json.Unmarshal(m.Data, &s) != nil || s.Length < 1 || s.Length > sizes.MaxBlock {
			return mft.Fail(mft.CodeProtocol, "read block", "", nil)
		}
		if i < blocks {
			lengths[i] = s.Length
		}
		return nil
	})
	if err != nil {
		return 0, 0, err
	}
	for i, n := range lengths {
		last := i == blocks-1
		switch {
		case n == 0:
			return 0, 0, mft.Fail(mft.CodeNotFound, "find block", strconv.Itoa(i), errors.New("it is not staged"))
		case n > lengths[0], !last && n != lengths[0]:
			return 0, 0, mft.Fail(mft.CodeUsage, "measure block", strconv.Itoa(i), fmt.Errorf("it has %d bytes, and the first has %d", n, lengths[0]))
		}
		size += int64(n)
	}
	return lengths[0], size, nil
}

// Grant implements exchange.Container.
func (b box) Grant(ctx context.Context, name string, life time.Duration) (exchange.Grant, error) {
	const op = "grant object"
	life, err := exchange.CheckGrant(name, life)
	if err != nil {
		return exchange.Grant{}, err
	}
	p, err := b.find(ctx, name)
	if errors.Is(err, errGone) || err == nil && p.State != published {
		return exchange.Grant{}, mft.Fail(mft.CodeNotFound, op, name, errors.New("it is not published"))
	}
	if err != nil {
		return exchange.Grant{}, cluster.Failure(ctx, op, name, err)
	}
	life = max(life.Truncate(time.Second), time.Second) // servers count in seconds
	p.State = ""
	data, _ := json.Marshal(p.record) // a struct of strings and numbers
	secret := token()
	until := time.Now().Add(life)
	_, err = b.cluster.Store(ctx, boxStream(b.agent), b.subject("g", secret), data, map[string]string{nats.MsgTTLHdr: life.String()})
	if err != nil {
		return exchange.Grant{}, cluster.Failure(ctx, op, name, err)
	}
	return exchange.Grant{Ref: string(b.agent) + "/" + secret, Until: until}, nil
}

// Remove implements exchange.Container. The record goes last, so that a removal
// that was interrupted is seen and done again.
func (b box) Remove(ctx context.Context, name string) error {
	if err := exchange.CheckName(name); err != nil {
		return err
	}
	err := b.remove(ctx, name)
	for tries := 1; tries < 5 && cluster.Answered(err, cluster.WrongLastSequence); tries++ {
		err = b.remove(ctx, name)
	}
	b.forget(name)
	return cluster.Failure(ctx, "remove object", name, err)
}

func (b box) remove(ctx context.Context, name string) error {
	p, err := b.find(ctx, name)
	if errors.Is(err, errGone) {
		return nil
	}
	if err != nil {
		return err
	}
	if p.State != removing {
		if _, err := b.write(ctx, name, p, record{State: removing, Secret: p.Secret}); err != nil {
			return err
		}
	}
	for _, subjects := range []string{b.subject("c", p.Secret, ">"), b.subject("b", p.Secret, ">"), b.subject("o", name)} {
		if err := b.cluster.Ask(ctx, "STREAM.PURGE."+boxStream(b.agent), map[string]string{"filter": subjects}, nil); err != nil {
			return err
		}
	}
	return nil
}

// List implements exchange.Container. An object that changes meanwhile may be
// met twice, so all are read before the first is told.
func (b box) List(ctx context.Context, yield func(exchange.Object) bool) error {
	found := map[string]exchange.Object{}
	prefix := b.subject("o") + "."
	err := b.scan(ctx, boxStream(b.agent), prefix+"*", 1<<20, func(m *nats.Msg) error {
		name := strings.TrimPrefix(m.Header.Get("Nats-Subject"), prefix)
		var r record
		if exchange.CheckName(name) != nil || r.parse(m.Data) != nil {
			return nil // not ours
		}
		o := exchange.Object{Name: name, Published: r.State == published, Size: r.Size}
		o.Changed, _ = time.Parse(time.RFC3339Nano, m.Header.Get("Nats-Time-Stamp"))
		found[name] = o
		return nil
	})
	if err != nil {
		return cluster.Failure(ctx, "list container", string(b.agent), err)
	}
	for _, name := range slices.Sorted(maps.Keys(found)) {
		if !yield(found[name]) {
			return nil
		}
	}
	return nil
}

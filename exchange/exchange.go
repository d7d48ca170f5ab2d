// Package exchange is what agents need of storage that both can reach when they
// cannot reach each other: a queue for each, where others put letters, and a
// container for each, whose objects it grants to others for a short time.
//
// The adapters (dir, relay, azure, nats, and s3 for containers alone) implement
// [Queue], [Container], [Reader] and [Keys]; package exchangetest proves that they do. What is in letters and
// objects is sealed before it comes here: see the packages letter and parcel.
//
// An adapter keeps no state that matters, retries nothing beyond what its
// library does, and believes nothing that it reads: bodies are bytes, sizes are
// bounded before they are read.
package exchange

import (
	"context"
	"time"

	"mft.dev/mft"
)

// Limits that hold for all adapters.
const (
	// MaxLetter is the most bytes in the body of a letter.
	MaxLetter = 6 << 10
	// MaxTake is the most letters taken at once.
	MaxTake = 32
	// MaxGrant is the longest time for which an object is granted.
	MaxGrant = 15 * time.Minute
	// MaxRef is the longest reference in bytes, so that it fits a letter.
	MaxRef = 2 << 10
)

// A Letter is one message in a queue.
type Letter struct {
	// ID is the same whenever the letter is taken.
	ID string
	// Body is what was put: 1 to MaxLetter bytes of any kind.
	Body []byte
	// Taken is how often it has been taken, this time included: at least 1.
	// Where storage does not count it is 1.
	Taken int
	// Claim is what the adapter needs to renew or remove the letter. It changes
	// when it is renewed.
	Claim string
}

// A Queue holds the letters to one agent. Delivery is at least once, in any
// order. Several processes may take from one queue: a letter that one has
// taken is hidden from the others until its lease ends. All methods may be
// called by several goroutines at once.
//
// Errors are of package mft: CodeUnreachable and CodeDisconnected when storage
// cannot be reached or answers that it is busy, CodeNotAllowed when it refuses
// these credentials, CodeNotFound when there is no such queue. When the context
// is done a call returns soon, with the error of the context in the chain. What
// breaks a limit is refused as CheckLetter, CheckName, CheckStatement, CheckGrant,
// CheckBlock and CheckBlocks say, before storage is asked.
type Queue interface {
	// Put adds a letter to the queue of an agent, this one or another. When it
	// returns nil the letter is as durable as the storage makes it. After an
	// error it may be there all the same.
	Put(ctx context.Context, to mft.AgentName, body []byte) error
	// Take returns between one and most letters of this agent's own queue, and
	// hides them for the lease. When there are none it may wait for some, up
	// to a time of its own choice, and returns none.
	Take(ctx context.Context, most int, lease time.Duration) ([]Letter, error)
	// Renew hides a taken letter for a new lease from now, and changes its
	// Claim. CodeNotFound says that another has it, or that it is gone.
	Renew(ctx context.Context, l *Letter, lease time.Duration) error
	// Remove removes a taken letter. That it is gone already is no error; that
	// another has it now is CodeNotFound.
	Remove(ctx context.Context, l *Letter) error
}

// An Object is one object of a container.
type Object struct {
	Name string
	// Published says that it can be read; else it is blocks without an end.
	Published bool
	// Size in bytes, of a published one.
	Size int64
	// Changed is when it was last written, by the clock of the storage.
	Changed time.Time
}

// A Grant lets whoever holds it read one object.
type Grant struct {
	// Ref says where and with what right, at most MaxRef bytes. It is a secret.
	Ref string
	// Until is when the right ends.
	Until time.Time
}

// A Container holds the objects of this agent. Names are 1 to 80 bytes of
// a-z, 0-9 and '-'. All methods may be called by several goroutines at once.
// Errors are as for Queue; CodeNoSpace when the storage is full.
type Container interface {
	// Stage keeps one block of an object that is not published yet. Blocks have
	// numbers from 0; all but the last are of one size. Staging a number again
	// replaces it. Of a block that several processes stage at once either may count.
	// What is published does not change any more, not even by a call that was under
	// way: then CodeExists, or no error where the storage does not look.
	Stage(ctx context.Context, name string, block int, content []byte) error
	// Publish makes the object of blocks 0 to blocks-1, which are all staged, at
	// once and for good. Publishing again with the same number is no error. When
	// one is missing it fails, and what is staged stays staged. CodeExists when it is
	// published with another number.
	Publish(ctx context.Context, name string, blocks int) error
	// Grant lets others read a published object, for at most MaxGrant. Several
	// grants may be good at once.
	Grant(ctx context.Context, name string, life time.Duration) (Grant, error)
	// Remove removes an object, published or not. That there is none is no error.
	Remove(ctx context.Context, name string) error
	// List calls yield for every object, published or not, until it returns false.
	List(ctx context.Context, yield func(Object) bool) error
}

// A Reader reads what other agents have granted.
type Reader interface {
	// Read fills p with the bytes of the object from offset on. CodeExpired says
	// that the grant has ended or was withdrawn, CodeNotFound that the object is
	// gone or shorter. A ref comes from a stranger: one that does not lead to an
	// object of this storage is refused before anything is asked, with CodeBadPath;
	// one that was altered never reads anything else. After an error p may hold
	// anything.
	Read(ctx context.Context, ref string, offset int64, p []byte) error
}

// Keys is where agents publish statements of their sealing keys. Whoever reads
// one checks its signature against a pinned key.
type Keys interface {
	// Publish puts a statement of this agent, at most 4 KiB, under an id of up to
	// 64 characters a-z, 0-9 and '-'.
	Publish(ctx context.Context, id string, statement []byte) error
	// Statements returns those of an agent, at most 64, the latest if there are
	// more, in no order. None, or CodeNotFound, when it never published any.
	Statements(ctx context.Context, of mft.AgentName) ([][]byte, error)
}

// Sizes is what an adapter can take.
type Sizes struct {
	MinBlock  int // of all blocks but the last, in bytes
	MaxBlock  int
	MaxBlocks int // of one object
}

// A Step is one thing that the setup of a storage looked after.
type Step struct {
	// What it is: "container erp", "stream mft-queue-erp".
	What string `json:"what"`
	// Done says what was done: "made", "marked", "nothing" when all was well.
	Done string `json:"done"`
}

// An Exchange is one storage as one agent sees it.
type Exchange struct {
	Queue     Queue
	Container Container
	Reader    Reader
	Keys      Keys
	Sizes     Sizes
	// Shared says that several agents of this name use it: they share the queue and
	// the container, see package owner.
	Shared bool
}

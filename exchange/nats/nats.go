// Package nats keeps an exchange in the JetStream of a NATS cluster.
//
//	mft-queue-AGENT  a work queue of letters; subject mft.queue.AGENT
//	mft-keys         statements of all agents; subjects mft.keys.AGENT.ID
//	mft-box-AGENT    objects, in chunks; subjects mft.box.AGENT.>
//
// [New] makes a [Storage] of a connection, which package cluster opens.
// [Storage.Exchange] is what package exchange describes, [Storage.Setup] makes the
// streams that are missing, and [Storage.Check] proves by trying that this agent
// may do what it must and nothing more. [Rights] says what that is. Containers
// may lie elsewhere, in S3 or Azure: then the box is not used.
//
// # What a grant is, and what it is not
//
// NATS signs no links. A grant is a message with a random name of 128 bits in the
// box of the sender that says where the chunks of one object are, and that the
// servers remove when it ends. A reader needs the right to get single messages
// from the boxes of others by their subject, and it does not need, and must not
// be given, the right to list them. So:
//
//   - Who has no grant has to guess a name. But servers also take a pattern for a
//     subject and answer with the newest message that fits. Whoever may read by
//     grants and does not keep to this package can watch a box that way, and see
//     sealed bytes go by.
//   - Who had a grant can note where the chunks are, and read them until the
//     object is removed. That the grant has ended stops those who use this package.
//   - Who administers the account sees and may remove everything.
//
// All of these see what package parcel has sealed for one recipient, and how much
// of it. Where that is too much, keep containers in S3 or Azure.
//
// # Durability
//
// A call returns when JetStream says that it has the message. A server says so
// before the message is on its disk, unless it runs with sync_interval: always;
// with several replicas it says so when most of them have it in memory.
package nats

import (
	"context"
	"encoding/json"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"mft.dev/mft"
	"mft.dev/mft/exchange"
	"mft.dev/mft/exchange/nats/cluster"
)

const (
	keysStream = "mft-keys"
	consumer   = "agent"
	// waiting is how long Take waits for a letter.
	waiting = 20 * time.Second
	// atOnce is how many chunks of a block are under way at the same time.
	atOnce = 8
	// page is how many messages are asked for at once.
	page = 256
)

func queueStream(agent mft.AgentName) string { return "mft-queue-" + string(agent) }
func queueOf(agent mft.AgentName) string     { return "mft.queue." + string(agent) }
func boxStream(agent mft.AgentName) string   { return "mft-box-" + string(agent) }
func boxOf(agent mft.AgentName) string       { return "mft.box." + string(agent) }
func keysOf(agent mft.AgentName) string      { return "mft.keys." + string(agent) }

// Storage is the JetStream of an account as one agent sees it. Its methods may
// be called by several goroutines at once.
type Storage struct {
	cluster *cluster.Cluster
	agent   mft.AgentName
	options Options

	mu     sync.Mutex        // guards what follows
	claims map[uint64]string // the last claim that was made here of a letter
	known  map[string]place  // where objects are that are being staged
}

// Options says how the streams are made and used. The zero value is right but
// for a cluster of several servers.
type Options struct {
	// Replicas is on how many servers a stream is kept, 1 when 0.
	Replicas int
	// Wait is how long Take waits for a letter, 20 s when 0.
	Wait time.Duration
	// NoBox says that containers lie elsewhere.
	NoBox bool
}

// New makes a Storage of a connection, which the caller closes.
func New(c *cluster.Cluster, o Options) *Storage {
	if o.Replicas == 0 {
		o.Replicas = 1
	}
	if o.Wait == 0 {
		o.Wait = waiting
	}
	return &Storage{cluster: c, agent: c.Config.Agent, options: o, claims: map[uint64]string{}, known: map[string]place{}}
}

// Exchange returns the storage as package exchange describes it, without
// container and reader where these lie elsewhere.
func (s *Storage) Exchange() exchange.Exchange {
	x := exchange.Exchange{Queue: queue{s}, Keys: keys{s}}
	if !s.options.NoBox {
		x.Container, x.Reader, x.Sizes = box{s}, reader{s}, sizes
	}
	return x
}

// A selection asks a stream for messages in the order of their numbers.
type selection struct {
	From  uint64 `json:"seq"`
	Batch int    `json:"batch"`
	Next  string `json:"next_by_subj"`
}

// scan calls yield for the messages of a stream whose subject fits, in the order
// of their numbers, until it returns an error or pages are read.
func (s *Storage) scan(ctx context.Context, stream, subjects string, pages int, yield func(*nats.Msg) error) error {
	for next, n := uint64(1), 0; n < pages; n++ {
		m := nats.NewMsg("$JS.API.DIRECT.GET." + stream)
		m.Data, _ = json.Marshal(selection{From: next, Batch: page, Next: subjects}) // a struct of numbers and a string
		patient, stop := context.WithTimeout(ctx, s.cluster.Config.Patience)
		got := 0
		_, err := s.cluster.Collect(patient, m, func(one *nats.Msg) (bool, error) {
			number, err := strconv.ParseUint(one.Header.Get("Nats-Sequence"), 10, 64)
			if err != nil || number < next || got >= page {
				return false, mft.Fail(mft.CodeProtocol, "scan", stream, nil)
			}
			next = number + 1
			got++
			return true, yield(one)
		})
		stop()
		if err != nil || got < page {
			return err
		}
	}
	return nil
}

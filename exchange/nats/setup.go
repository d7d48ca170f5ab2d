package nats

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/exchange"
	"mft.dev/mft/exchange/nats/cluster"
)

// A stream is its configuration, as the API of JetStream has it.
type stream struct {
	Name        string        `json:"name"`
	Description string        `json:"description,omitempty"`
	Subjects    []string      `json:"subjects"`
	Retention   string        `json:"retention"`
	Storage     string        `json:"storage"`
	Discard     string        `json:"discard"`
	Replicas    int           `json:"num_replicas"`
	Messages    int64         `json:"max_msgs"`
	Consumers   int           `json:"max_consumers"`
	Bytes       int64         `json:"max_bytes"`
	Age         time.Duration `json:"max_age"`
	PerSubject  int64         `json:"max_msgs_per_subject"`
	Message     int32         `json:"max_msg_size"`
	Duplicates  time.Duration `json:"duplicate_window,omitempty"`
	Direct      bool          `json:"allow_direct"`
	TTL         bool          `json:"allow_msg_ttl"`
}

const headers = 1 << 10 // what a message may have beside its content, in bytes

// streams are those of this agent, and that of all. What is full refuses the
// next message and drops none.
func (s *Storage) streams() []stream {
	base := stream{
		Storage: "file", Discard: "new", Replicas: s.options.Replicas, Retention: "limits",
		Messages: -1, Consumers: -1, Bytes: -1, PerSubject: -1, Message: -1, Direct: true,
	}
	q := base
	q.Name, q.Subjects, q.Description = queueStream(s.agent), []string{queueOf(s.agent)}, "mft: letters to "+string(s.agent)
	q.Retention, q.Age, q.Message, q.Duplicates = "workqueue", letterLife, exchange.MaxLetter+headers, 2*time.Minute
	k := base
	k.Name, k.Subjects, k.Description = keysStream, []string{"mft.keys.*.*"}, "mft: statements of keys"
	k.PerSubject, k.Message = 1, exchange.MaxStatement+headers
	b := base
	b.Name, b.Subjects, b.Description = boxStream(s.agent), []string{boxOf(s.agent) + ".>"}, "mft: objects of "+string(s.agent)
	b.PerSubject, b.TTL, b.Message = 1, true, chunk+headers
	if s.options.NoBox {
		return []stream{q, k}
	}
	return []stream{q, k, b}
}

// Setup makes what is missing of the streams and the consumer of this agent and of
// the stream of keys, and reports what it did, up to the first error. Doing it
// again changes nothing. A stream that is there and would lose letters or objects
// is refused with CodeExists.
func (s *Storage) Setup(ctx context.Context) ([]exchange.Step, error) {
	var out []exchange.Step
	for _, want := range s.streams() {
		done, err := s.setUp(ctx, want)
		if err != nil {
			return out, cluster.Failure(ctx, "set up", "stream "+want.Name, err)
		}
		out = append(out, exchange.Step{What: "stream " + want.Name, Done: done})
	}
	done, err := s.setUpConsumer(ctx)
	if err != nil {
		return out, cluster.Failure(ctx, "set up", "consumer "+consumer, err)
	}
	return append(out, exchange.Step{What: "consumer " + consumer + " of stream " + queueStream(s.agent), Done: done}), nil
}

func (s *Storage) setUp(ctx context.Context, want stream) (string, error) {
	have, err := s.stream(ctx, want.Name)
	if mft.CodeOf(cluster.Failure(ctx, "", "", err)) != mft.CodeNotFound {
		if err == nil {
			err = fits(have, want)
		}
		return "nothing", err
	}
	var made struct {
		Config stream `json:"config"`
	}
	if err := s.cluster.Ask(ctx, "STREAM.CREATE."+want.Name, want, &made); err != nil {
		return "", err
	}
	return "made", fits(made.Config, want) // an old server drops what it does not know
}

func (s *Storage) stream(ctx context.Context, name string) (stream, error) {
	var have struct {
		Config stream `json:"config"`
	}
	err := s.cluster.Ask(ctx, "STREAM.INFO."+name, nil, &have)
	return have.Config, err
}

// fits refuses a stream that does not keep what is put into it.
func fits(have, want stream) error {
	var wrong []string
	note := func(bad bool, what string, is, must any) {
		if bad {
			wrong = append(wrong, fmt.Sprintf("%s is %v and must be %v", what, is, must))
		}
	}
	note(!slices.Equal(have.Subjects, want.Subjects), "subjects", have.Subjects, want.Subjects)
	note(have.Retention != want.Retention, "retention", have.Retention, want.Retention)
	note(have.Storage != want.Storage, "storage", have.Storage, want.Storage)
	note(have.Discard != want.Discard, "discard", have.Discard, want.Discard)
	note(have.PerSubject != want.PerSubject, "max_msgs_per_subject", have.PerSubject, want.PerSubject)
	note(have.Age != 0 && (want.Age == 0 || have.Age < want.Age), "max_age", have.Age, want.Age)
	note(have.Message > 0 && have.Message < want.Message, "max_msg_size", have.Message, want.Message)
	note(!have.Direct, "allow_direct", have.Direct, true)
	note(want.TTL && !have.TTL, "allow_msg_ttl (servers from 2.11 on)", have.TTL, true)
	if len(wrong) == 0 {
		return nil
	}
	return mft.Fail(mft.CodeExists, "use stream", want.Name, fmt.Errorf("it is not as it has to be: %q", wrong))
}

// A pulled is the configuration of the consumer of a queue.
type pulled struct {
	Durable string        `json:"durable_name"`
	Ack     string        `json:"ack_policy"`
	Wait    time.Duration `json:"ack_wait"`
	Deliver int           `json:"max_deliver"`
	Pending int           `json:"max_ack_pending"`
	From    string        `json:"deliver_policy"`
	Replay  string        `json:"replay_policy"`
	To      string        `json:"deliver_subject,omitempty"`
}

// wanted is the consumer. That many letters may be taken at a time; one that is
// taken again and again is for the agent to put aside.
func wanted() pulled {
	return pulled{
		Durable: consumer, Ack: "explicit", Wait: hold(usualLease), Deliver: -1, Pending: 10_000, From: "all", Replay: "instant",
	}
}

func (s *Storage) setUpConsumer(ctx context.Context) (string, error) {
	of := queueStream(s.agent)
	err := s.consumer(ctx)
	if mft.CodeOf(cluster.Failure(ctx, "", "", err)) != mft.CodeNotFound {
		return "nothing", err
	}
	return "made", s.cluster.Ask(ctx, "CONSUMER.DURABLE.CREATE."+of+"."+consumer, struct {
		Stream string `json:"stream_name"`
		Config pulled `json:"config"`
	}{of, wanted()}, nil)
}

// consumer looks whether the consumer is there and is one that loses nothing.
func (s *Storage) consumer(ctx context.Context) error {
	var have struct {
		Config pulled `json:"config"`
	}
	if err := s.cluster.Ask(ctx, "CONSUMER.INFO."+queueStream(s.agent)+"."+consumer, nil, &have); err != nil {
		return err
	}
	want, is := wanted(), have.Config
	if is.Ack != want.Ack || is.Wait < want.Wait || is.Deliver > 0 || is.To != "" {
		return mft.Fail(mft.CodeExists, "use consumer", consumer,
			errors.New("it is not as it has to be: remove it, and let `mft exchange setup` make it"))
	}
	return nil
}

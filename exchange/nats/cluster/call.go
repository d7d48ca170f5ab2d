package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/nats-io/nats.go"
)

// Request sends one message and waits for one answer. The error is for Failure.
func (k *Cluster) Request(ctx context.Context, m *nats.Msg) (*nats.Msg, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	ctx, stop := context.WithTimeout(ctx, k.Config.Patience)
	defer stop()
	ctx, done := k.denials.during(ctx, m.Subject)
	defer done()
	conn, err := k.connection(ctx)
	if err != nil {
		return nil, err
	}
	answer, err := conn.RequestMsgWithContext(ctx, m)
	return answer, cause(ctx, err)
}

// cause says that the server refused a call, where the library only knows that
// it was given up.
func cause(ctx context.Context, err error) error {
	if err != nil && errors.Is(context.Cause(ctx), errDenied) {
		return errDenied
	}
	return err
}

// Ask sends a request to the API of JetStream, below "$JS.API.", and reads the
// answer into out, which may be nil. An error that JetStream gives is an *Answer.
func (k *Cluster) Ask(ctx context.Context, call string, request, out any) error {
	var body []byte
	if request != nil {
		var err error
		if body, err = json.Marshal(request); err != nil {
			return err
		}
	}
	m := nats.NewMsg("$JS.API." + call)
	m.Data = body
	answer, err := k.Request(ctx, m)
	if err != nil {
		return err
	}
	return read(answer.Data, out)
}

// read reads an answer of JetStream.
func read(data []byte, out any) error {
	var head struct {
		Error *Answer `json:"error"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return errors.New("the answer is none of JetStream")
	}
	if head.Error != nil {
		return head.Error
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(data, out); err != nil {
		return errors.New("the answer of JetStream cannot be read")
	}
	return nil
}

// Store puts a message into a stream and returns its number there, when the
// stream says that it has it. header has pairs of names and values.
func (k *Cluster) Store(ctx context.Context, stream, subject string, body []byte, header map[string]string) (uint64, error) {
	m := nats.NewMsg(subject)
	m.Data = body
	m.Header.Set(nats.ExpectedStreamHdr, stream)
	for _, name := range slices.Sorted(maps.Keys(header)) {
		m.Header.Set(name, header[name])
	}
	answer, err := k.Request(ctx, m)
	if err != nil {
		return 0, err
	}
	var ack struct {
		Stream   string `json:"stream"`
		Sequence uint64 `json:"seq"`
	}
	if err := read(answer.Data, &ack); err != nil {
		return 0, err
	}
	if ack.Stream != stream || ack.Sequence == 0 {
		return 0, errors.New("the answer does not say that the message was stored")
	}
	return ack.Sequence, nil
}

// ErrNone says that a stream has no such message.
var ErrNone = &Answer{Status: 404, Code: 10037, Text: "no message found"}

// Get returns a message of a stream: the last with a subject, from any server
// that has a copy of the stream. ErrNone when there is none.
func (k *Cluster) Get(ctx context.Context, stream, subject string) (*nats.Msg, error) {
	return k.direct(ctx, nats.NewMsg("$JS.API.DIRECT.GET."+stream+"."+subject))
}

// Numbered returns the message of a stream with a number. ErrNone when there is
// none.
func (k *Cluster) Numbered(ctx context.Context, stream string, number uint64) (*nats.Msg, error) {
	m := nats.NewMsg("$JS.API.DIRECT.GET." + stream)
	m.Data = fmt.Appendf(nil, `{"seq":%d}`, number)
	return k.direct(ctx, m)
}

func (k *Cluster) direct(ctx context.Context, m *nats.Msg) (*nats.Msg, error) {
	answer, err := k.Request(ctx, m)
	if err != nil {
		return nil, err
	}
	if err := status(answer); err != nil {
		return nil, err
	}
	return answer, nil
}

// status returns the error that a message without content tells.
func status(m *nats.Msg) error {
	switch code := m.Header.Get("Status"); {
	case len(m.Data) > 0 || code == "":
		return nil
	case code == "404":
		return ErrNone
	default:
		return &Answer{Status: 400, Text: code + " " + m.Header.Get("Description")}
	}
}

// Collect sends a request that is answered by several messages and calls yield
// for each, until it returns false or an error, which Collect returns. A message
// with a status and no content ends the answer; it is not given to yield, and
// returned.
func (k *Cluster) Collect(ctx context.Context, m *nats.Msg, yield func(*nats.Msg) (bool, error)) (end *nats.Msg, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	ctx, done := k.denials.during(ctx, m.Subject)
	defer done()
	conn, err := k.connection(ctx)
	if err != nil {
		return nil, err
	}
	m.Reply = conn.NewInbox()
	answers, err := conn.SubscribeSync(m.Reply)
	if err != nil {
		return nil, err
	}
	defer func() { _ = answers.Unsubscribe() }()
	if err := conn.PublishMsg(m); err != nil {
		return nil, err
	}
	for {
		one, err := answers.NextMsgWithContext(ctx)
		if err != nil {
			return nil, cause(ctx, err)
		}
		if len(one.Data) == 0 && one.Header.Get("Status") != "" {
			if one.Header.Get("Status") == "503" {
				return nil, nats.ErrNoResponders
			}
			return one, nil
		}
		if more, err := yield(one); err != nil || !more {
			return nil, err
		}
	}
}

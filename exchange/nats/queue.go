package nats

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"mft.dev/mft"
	"mft.dev/mft/exchange"
	"mft.dev/mft/exchange/nats/cluster"
)

const (
	// letterLife is how long a letter is kept: a day more than what it says
	// itself, so that it is never the storage that loses one that is valid.
	letterLife = 15 * 24 * time.Hour
	// usualLease is the one that the consumer is made for: what package mailbox
	// asks for. Any other takes one more message.
	usualLease = 2 * time.Minute
	maxLease   = 7 * 24 * time.Hour
)

// queue implements exchange.Queue with a work queue and one pull consumer.
//
// JetStream takes the acknowledgement of whoever had a letter before for that of
// whoever has it now. So a claim says until when it is good, by the clock of this
// host, and the servers hold the letter somewhat longer. Where clocks jump a
// letter is handled again, or removed by one who had handled it: package mailbox
// removes a letter only when what it caused is durable.
type queue struct{ *Storage }

// hold is how long the servers hide a letter for a lease.
func hold(lease time.Duration) time.Duration { return lease + min(lease/8, 10*time.Second) }

// Put implements exchange.Queue. The id has a message that the library sends
// twice kept once.
func (q queue) Put(ctx context.Context, to mft.AgentName, body []byte) error {
	if err := cluster.Fits("put letter to", to); err != nil {
		return err
	}
	if err := exchange.CheckLetter(body); err != nil {
		return err
	}
	_, err := q.cluster.Store(ctx, queueStream(to), queueOf(to), body, map[string]string{nats.MsgIdHdr: token()})
	return cluster.Failure(ctx, "put letter to", string(to), err)
}

// A pull asks for letters.
type pull struct {
	Batch   int           `json:"batch"`
	Expires time.Duration `json:"expires,omitempty"`
	NoWait  bool          `json:"no_wait,omitempty"`
}

// Take implements exchange.Queue: what is there, or else the first that comes.
func (q queue) Take(ctx context.Context, most int, lease time.Duration) ([]exchange.Letter, error) {
	const op = "take letters"
	if err := checkLease(op, lease); err != nil {
		return nil, err
	}
	if most < 1 {
		return nil, mft.Fail(mft.CodeUsage, op, "", errors.New("less than one is asked for"))
	}
	letters, err := q.pull(ctx, pull{Batch: min(most, exchange.MaxTake), NoWait: true}, lease)
	if err == nil && len(letters) == 0 {
		letters, err = q.pull(ctx, pull{Batch: 1, Expires: q.options.Wait}, lease)
	}
	if len(letters) > 0 {
		return letters, nil // what went wrong behind them goes wrong again
	}
	return nil, cluster.Failure(ctx, op, string(q.agent), err)
}

func (q queue) pull(ctx context.Context, p pull, lease time.Duration) ([]exchange.Letter, error) {
	m := nats.NewMsg("$JS.API.CONSUMER.MSG.NEXT." + queueStream(q.agent) + "." + consumer)
	m.Data, _ = json.Marshal(p) // a struct of numbers
	patient, stop := context.WithTimeout(ctx, p.Expires+q.cluster.Config.Patience)
	defer stop()
	var out []exchange.Letter
	end, err := q.cluster.Collect(patient, m, func(one *nats.Msg) (bool, error) {
		l, err := q.letter(one, lease)
		if err != nil {
			return false, err
		}
		out = append(out, l)
		return len(out) < p.Batch, nil
	})
	if end != nil {
		err = ended(end)
	}
	for i := range out {
		if lease == usualLease {
			break
		}
		// The lease that the consumer gives is another one.
		if err := q.hide(ctx, &out[i], lease); err != nil {
			return nil, err
		}
	}
	return out, err
}

// ended says why no more letters come.
func ended(m *nats.Msg) error {
	switch code := m.Header.Get("Status"); code {
	case "404", "408": // none is there, or none came
		return nil
	default:
		return &cluster.Answer{Status: 503, Text: code + " " + m.Header.Get("Description")}
	}
}

// letter makes a letter of a message. Whoever may put messages may put any: the
// caller sees no more of one than a letter may have.
func (q queue) letter(m *nats.Msg, lease time.Duration) (exchange.Letter, error) {
	meta, err := m.Metadata()
	if err != nil || meta.Stream != queueStream(q.agent) || meta.Consumer != consumer {
		return exchange.Letter{}, mft.Fail(mft.CodeProtocol, "take letters", string(q.agent), errors.New("a message comes from another queue"))
	}
	body := m.Data[:min(len(m.Data), exchange.MaxLetter)]
	if len(body) == 0 {
		body = []byte(" ")
	}
	return exchange.Letter{
		ID: strconv.FormatUint(meta.Sequence.Stream, 10), Body: body, Taken: int(min(max(meta.NumDelivered, 1), 1<<30)),
		Claim: q.claim(meta.Sequence.Stream, m.Reply, lease),
	}, nil
}

// A claim is "UNTIL NONCE ACK": the end of the lease in nanoseconds, what tells
// it from others, and the subject that the consumer listens to for this letter.
func (q queue) claim(number uint64, ack string, lease time.Duration) string {
	nonce := token()
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.claims) > 10_000 { // of letters whose lease ended here
		clear(q.claims)
	}
	q.claims[number] = nonce
	return fmt.Sprintf("%d %s %s", time.Now().Add(lease).UnixNano(), nonce, ack)
}

// held is a claim that was read.
type held struct {
	number uint64
	ack    string
	good   bool // the lease has not ended, and it was not renewed since
}

func (q queue) read(op string, l *exchange.Letter) (held, error) {
	number, err := strconv.ParseUint(l.ID, 10, 64)
	until, rest, _ := strings.Cut(l.Claim, " ")
	nonce, ack, _ := strings.Cut(rest, " ")
	end, bad := strconv.ParseInt(until, 10, 64)
	if err != nil || bad != nil || len(l.Claim) > 1<<10 || !strings.HasPrefix(ack, "$JS.ACK.") || strings.ContainsAny(ack, " *>\r\n\t") ||
		!strings.Contains(ack, "."+queueStream(q.agent)+"."+consumer+".") {
		return held{}, mft.Fail(mft.CodeUsage, op, l.ID, errors.New("it has no id and claim of this queue"))
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	last, here := q.claims[number]
	return held{number, ack, (!here || last == nonce) && time.Now().UnixNano() < end}, nil
}

// Renew implements exchange.Queue.
func (q queue) Renew(ctx context.Context, l *exchange.Letter, lease time.Duration) error {
	const op = "renew letter"
	if err := checkLease(op, lease); err != nil {
		return err
	}
	h, err := q.read(op, l)
	if err != nil {
		return err
	}
	if ctx.Err() == nil && !h.good {
		return lost(op, l)
	}
	_, err = q.cluster.Numbered(ctx, queueStream(q.agent), h.number)
	if err == nil {
		err = q.hide(ctx, l, lease)
	}
	return cluster.Failure(ctx, op, l.ID, err)
}

// hide has the servers hide a letter for a lease from now. What the consumer's
// own lease is not, is asked for as if the letter were given back for later:
// nothing else makes it another.
func (q queue) hide(ctx context.Context, l *exchange.Letter, lease time.Duration) error {
	h, err := q.read("hide letter", l)
	if err != nil {
		return err
	}
	m := nats.NewMsg(h.ack)
	m.Data = []byte("+WPI")
	if lease != usualLease {
		m.Data = fmt.Appendf(nil, `-NAK {"delay":%d}`, hold(lease).Nanoseconds())
	}
	if _, err := q.cluster.Request(ctx, m); err != nil {
		return err
	}
	l.Claim = q.claim(h.number, h.ack, lease)
	return nil
}

// Remove implements exchange.Queue.
func (q queue) Remove(ctx context.Context, l *exchange.Letter) error {
	const op = "remove letter"
	h, err := q.read(op, l)
	if err != nil {
		return err
	}
	if ctx.Err() == nil && !h.good {
		switch _, err := q.cluster.Numbered(ctx, queueStream(q.agent), h.number); {
		case errors.Is(err, cluster.ErrNone):
			return nil
		case err != nil:
			return cluster.Failure(ctx, op, l.ID, err)
		}
		return lost(op, l)
	}
	m := nats.NewMsg(h.ack)
	m.Data = []byte("+ACK")
	if _, err = q.cluster.Request(ctx, m); err == nil {
		q.mu.Lock()
		delete(q.claims, h.number)
		q.mu.Unlock()
	}
	return cluster.Failure(ctx, op, l.ID, err)
}

func lost(op string, l *exchange.Letter) error {
	return mft.Fail(mft.CodeNotFound, op, l.ID, errors.New("its lease has ended or was renewed since; another may have it"))
}

func checkLease(op string, lease time.Duration) error {
	if lease <= 0 || lease > maxLease {
		return mft.Fail(mft.CodeUsage, op, "", fmt.Errorf("a lease of %v is not above 0 and at most %v", lease, maxLease))
	}
	return nil
}

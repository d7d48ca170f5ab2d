package azure

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azqueue/v2"

	"mft.dev/mft"
	"mft.dev/mft/exchange"
	"mft.dev/mft/exchange/azure/account"
	"mft.dev/mft/exchange/response"
)

const (
	// letterLife is how long a letter is kept: a day more than what it says
	// itself, so that it is never the storage that loses one that is valid.
	letterLife = 15 * 24 * time.Hour
	maxLease   = 7 * 24 * time.Hour // of the storage
)

// queue implements exchange.Queue. Letters are base64 in the text of messages,
// for a text must be XML.
type queue struct{ *Storage }

func (q queue) of(agent mft.AgentName) *azqueue.QueueClient {
	return q.account.Queues.NewQueueClient(string(agent))
}

// Put implements exchange.Queue.
func (q queue) Put(ctx context.Context, to mft.AgentName, body []byte) error {
	if err := account.Fits("put letter to", to); err != nil {
		return err
	}
	if err := exchange.CheckLetter(body); err != nil {
		return err
	}
	life := int32(letterLife / time.Second)
	text := base64.StdEncoding.EncodeToString(body)
	_, err := q.of(to).EnqueueMessage(ctx, text, &azqueue.EnqueueMessageOptions{TimeToLive: &life})
	q.rhythm.speak(q.now()) // after an error it may be there all the same
	return account.Failure(ctx, "put letter to", string(to), err)
}

// Take implements exchange.Queue. A queue of Azure cannot wait, so an empty one
// is asked again for a while.
func (q queue) Take(ctx context.Context, most int, lease time.Duration) ([]exchange.Letter, error) {
	seconds, err := leaseSeconds("take letters", lease)
	if err != nil {
		return nil, err
	}
	if most < 1 {
		return nil, mft.Fail(mft.CodeUsage, "take letters", "", errors.New("less than one is asked for"))
	}
	count := int32(min(most, exchange.MaxTake))
	for until := q.now().Add(askFor); ; {
		letters, err := q.take(ctx, count, seconds)
		if len(letters) > 0 {
			q.rhythm.hear(q.now())
		}
		if err != nil || len(letters) > 0 || q.rhythm.idle < 0 || !q.now().Before(until) {
			return letters, err
		}
		if err := q.wait(ctx); err != nil {
			return nil, account.Failure(ctx, "take letters", string(q.agent), err)
		}
	}
}

// wait waits until it is time to ask again. A letter that is put meanwhile makes
// the wait a short one, not none: the answer is not there yet.
func (q queue) wait(ctx context.Context) error {
	for begun := time.Now(); ; {
		d, put := q.rhythm.pause(q.now())
		pause := time.NewTimer(d - time.Since(begun))
		select {
		case <-pause.C:
			return nil
		case <-put:
			pause.Stop()
		case <-ctx.Done():
			pause.Stop()
			return ctx.Err()
		}
	}
}

func (q queue) take(ctx context.Context, count, seconds int32) ([]exchange.Letter, error) {
	own := q.agent
	resp, err := q.of(own).DequeueMessages(ctx, &azqueue.DequeueMessagesOptions{NumberOfMessages: &count, VisibilityTimeout: &seconds})
	if err != nil {
		return nil, account.Failure(ctx, "take letters", string(own), err)
	}
	var out []exchange.Letter
	for _, m := range resp.Messages {
		if m == nil || m.MessageID == nil || m.PopReceipt == nil || response.Word(*m.MessageID) == "" {
			return nil, mft.Fail(mft.CodeProtocol, "take letters", string(own), errors.New("the storage gives a message without id or receipt"))
		}
		l := exchange.Letter{ID: *m.MessageID, Claim: *m.PopReceipt, Taken: 1}
		if m.DequeueCount != nil {
			l.Taken = int(min(max(*m.DequeueCount, 1), 1<<30))
		}
		if m.MessageText != nil {
			l.Body = bodyOf(*m.MessageText)
		}
		out = append(out, l)
	}
	return out, nil
}

// bodyOf reads the text of a message. Whoever may put messages may put
// anything: what is no letter is given on as it is, cut to the size of one, for
// the caller to put aside.
func bodyOf(text string) []byte {
	if len(text) <= base64.StdEncoding.EncodedLen(exchange.MaxLetter) {
		if body, err := base64.StdEncoding.Strict().DecodeString(text); err == nil && len(body) > 0 {
			return body
		}
	}
	if text == "" {
		text = " "
	}
	return []byte(text[:min(len(text), exchange.MaxLetter)])
}

// Renew implements exchange.Queue. The storage has the text replaced by a
// renewal, so it must be given again.
func (q queue) Renew(ctx context.Context, l *exchange.Letter, lease time.Duration) error {
	seconds, err := leaseSeconds("renew letter", lease)
	if err != nil {
		return err
	}
	if err := claimed("renew letter", l); err != nil {
		return err
	}
	if err := exchange.CheckLetter(l.Body); err != nil {
		return err
	}
	resp, err := q.of(q.agent).UpdateMessage(ctx, l.ID, l.Claim, base64.StdEncoding.EncodeToString(l.Body),
		&azqueue.UpdateMessageOptions{VisibilityTimeout: &seconds})
	if err != nil {
		return account.Failure(ctx, "renew letter", l.ID, err)
	}
	if resp.PopReceipt == nil || *resp.PopReceipt == "" {
		return mft.Fail(mft.CodeProtocol, "renew letter", l.ID, errors.New("the storage gives no receipt"))
	}
	l.Claim = *resp.PopReceipt
	return nil
}

// Remove implements exchange.Queue. Where the storage does not tell a letter
// that is gone from one that another has taken, both count as gone: it is then
// taken and handled again, as after any lease that ended.
func (q queue) Remove(ctx context.Context, l *exchange.Letter) error {
	if err := claimed("remove letter", l); err != nil {
		return err
	}
	_, err := q.of(q.agent).DeleteMessage(ctx, l.ID, l.Claim, nil)
	if account.Answered(err, "MessageNotFound") || account.Status(err) == http.StatusNotFound && account.Answered(err, "") {
		return nil
	}
	return account.Failure(ctx, "remove letter", l.ID, err)
}

// claimed refuses letters that were not taken here: the id becomes part of a URL.
func claimed(op string, l *exchange.Letter) error {
	if l.ID == "" || response.Word(l.ID) == "" || l.Claim == "" || len(l.Claim) > 1<<10 {
		return mft.Fail(mft.CodeUsage, op, l.ID, errors.New("it has no id and claim of this queue"))
	}
	return nil
}

// leaseSeconds rounds a lease up to what the storage counts in.
func leaseSeconds(op string, lease time.Duration) (int32, error) {
	if lease <= 0 || lease > maxLease {
		return 0, mft.Fail(mft.CodeUsage, op, "", fmt.Errorf("a lease of %v is not above 0 and at most %v", lease, maxLease))
	}
	return int32((lease + time.Second - 1) / time.Second), nil
}

package holder

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/identity/keyring"
	"mft.dev/mft/identity/sealing"
	"mft.dev/mft/internal/restrict"
)

// A Client asks a process that has the keys. It implements identity.Holder. Errors
// have the codes of *keyring.Keeper, mft.CodeNotSigned when what was asked for was
// refused, and mft.CodeKeysAway when there was no answer: then the connection is
// of no use any more.
type Client struct {
	mu     sync.Mutex // guards the connection: one question at a time
	conn   io.ReadWriteCloser
	broken bool

	told description // what Open was told
}

// patience is how long an answer may take: a rotation waits for the disk.
const patience = 30 * time.Second

// Open asks who is there.
func Open(conn io.ReadWriteCloser) (*Client, error) {
	c := &Client{conn: conn}
	var err error
	c.told, err = c.describe(question{kind: askDescribe})
	return c, err
}

// Public is what is known of the keys since Open.
func (c *Client) Public() keyring.Public { return c.told.Public }

// Walls are those around the process that has the keys.
func (c *Client) Walls() restrict.Report { return c.told.Walls }

// Close ends the connection, and with it the process at its other end.
func (c *Client) Close() error { return c.conn.Close() }

// SignEnvelope implements identity.Holder.
func (c *Client) SignEnvelope(key [16]byte, message []byte) ([]byte, error) {
	return c.ask(question{kind: askEnvelope, key: key, bytes: message})
}

// SignHandshake implements identity.Holder.
func (c *Client) SignHandshake(key [16]byte, message []byte) ([]byte, error) {
	return c.ask(question{kind: askHandshake, key: key, bytes: message})
}

// Unseal implements identity.Holder.
func (c *Client) Unseal(id sealing.ID, label string, sealed []byte) ([]byte, error) {
	if len(label) > 255 {
		return nil, mft.Fail(mft.CodeNotSigned, "open a letter", "", errors.New("the label is too long"))
	}
	return c.ask(question{kind: askUnseal, id: id, label: label, bytes: sealed})
}

// Rotate implements identity.Holder.
func (c *Client) Rotate(now, end time.Time) (keyring.Public, error) {
	d, err := c.describe(question{kind: askRotate, now: now, end: end})
	return d.Public, err
}

func (c *Client) describe(q question) (d description, err error) {
	answer, err := c.ask(q)
	if err != nil {
		return d, err
	}
	if err := json.Unmarshal(answer, &d); err != nil {
		return d, away(err)
	}
	if _, _, err := d.Public.Keys(); err != nil {
		return d, away(err)
	}
	return d, nil
}

func away(err error) error { return mft.Fail(mft.CodeKeysAway, "ask the key process", "", err) }

func (c *Client) ask(q question) ([]byte, error) {
	body := q.append(nil)
	if len(body) > maxQuestion {
		return nil, mft.Fail(mft.CodeNotSigned, "ask the key process", "", fmt.Errorf("%d bytes are too many", len(body)))
	}
	kind, answer, err := c.exchange(q.kind, body)
	switch {
	case err != nil:
		return nil, away(err)
	case kind == answerDone:
		return answer, nil
	case kind != answerRefused:
		return nil, away(fmt.Errorf("%d is no answer", kind))
	}
	var r refusal
	if err := json.Unmarshal(answer, &r); err != nil || r.Code.OK() || !r.Code.Known() {
		return nil, away(errors.New("it refused without a reason"))
	}
	return nil, mft.Fail(r.Code, "use the keys of this agent", "", errors.New(r.Detail))
}

// exchange asks and waits for the answer. After an error nobody knows what comes
// next on the connection.
func (c *Client) exchange(kind byte, body []byte) (byte, []byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.broken {
		return 0, nil, io.ErrClosedPipe
	}
	if d, ok := c.conn.(interface{ SetDeadline(time.Time) error }); ok {
		_ = d.SetDeadline(time.Now().Add(patience)) // where it cannot, there is none
	}
	err := write(c.conn, kind, body)
	if err == nil {
		var answer []byte
		if kind, answer, err = read(c.conn, maxAnswer); err == nil {
			return kind, answer, nil
		}
	}
	c.broken = true
	return 0, nil, err
}

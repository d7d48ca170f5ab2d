package holder

import (
	"errors"
	"fmt"
	"io"

	"mft.dev/mft"
	"mft.dev/mft/identity/keyring"
	"mft.dev/mft/internal/restrict"
)

// Serve answers what is asked on conn, one question after the other, with the keys
// of the agent called name, until conn ends, which is no error. A question that
// cannot be read ends the conversation: nothing of ours sends one.
func Serve(conn io.ReadWriter, name mft.AgentName, keys *keyring.Keeper, walls restrict.Report) error {
	for {
		kind, body, err := read(conn, maxQuestion)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return mft.Fail(mft.CodeNotSigned, "read what is asked of the keys", "", err)
		}
		q, err := parse(kind, body)
		if err != nil {
			return mft.Fail(mft.CodeNotSigned, "read what is asked of the keys", "", err)
		}
		answer, err := reply(q, name, keys, walls)
		if err != nil {
			kind, answer = answerRefused, refuse(err)
		} else {
			kind = answerDone
		}
		if err := write(conn, kind, answer); err != nil {
			return mft.Fail(mft.CodeNotSigned, "answer what is asked of the keys", "", err)
		}
	}
}

// Refuse answers the first question on conn with why there are no keys.
func Refuse(conn io.ReadWriter, why error) {
	if _, _, err := read(conn, maxQuestion); err == nil {
		_ = write(conn, answerRefused, refuse(why))
	}
}

func reply(q question, name mft.AgentName, keys *keyring.Keeper, walls restrict.Report) ([]byte, error) {
	not := func(op string, why error) ([]byte, error) { return nil, mft.Fail(mft.CodeNotSigned, op, "", why) }
	switch q.kind {
	case askHandshake:
		if err := CheckHandshake(q.bytes); err != nil {
			return not("sign a handshake", err)
		}
		return keys.SignHandshake(q.key, q.bytes)
	case askEnvelope:
		if err := checkEnvelope(q.bytes, name, q.key); err != nil {
			return not("sign an envelope", err)
		}
		return keys.SignEnvelope(q.key, q.bytes)
	case askUnseal:
		if err := checkLetter(q.label); err != nil {
			return not("open a letter", err)
		}
		return keys.Unseal(q.id, q.label, q.bytes)
	case askRotate:
		public, err := keys.Rotate(q.now, q.end)
		return marshal(description{public, walls}), err
	case askDescribe:
		return marshal(description{keys.Public(), walls}), nil
	}
	return not("answer", fmt.Errorf("%d is no question", q.kind))
}

// refuse makes an answer of an error.
func refuse(err error) []byte {
	r := refusal{mft.CodeOf(err), err.Error()}
	var known *mft.Error
	if errors.As(err, &known) && known.Err != nil {
		r.Detail = known.Err.Error()
	}
	r.Detail = r.Detail[:min(len(r.Detail), 1000)]
	return marshal(r)
}

package holder

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/identity/keyring"
	"mft.dev/mft/identity/sealing"
	"mft.dev/mft/internal/restrict"
)

// A question is one byte that says what, four with the length of what follows
// (most significant first), and that. An answer has the same form; its first byte
// is answerDone or answerRefused. One answer follows each question.
const (
	askDescribe  = 1 // nothing; the answer is a description in JSON
	askHandshake = 2 // key, 16 bytes; message
	askEnvelope  = 3 // key, 16 bytes; message
	askUnseal    = 4 // id of the key, 8 bytes; length of the label, 1 byte; label; what is sealed
	askRotate    = 5 // now and the end of the keys before, as seconds since 1970, 8 bytes each; answered as askDescribe

	answerDone    = 0
	answerRefused = 1 // a refusal in JSON

	headerSize = 5
	// maxQuestion is the largest envelope, with room to spare.
	maxQuestion = 80 << 10
	// maxAnswer is more than the description of the keys takes that an agent can
	// have.
	maxAnswer = 1 << 20
)

// A description is what the process that has the keys says of itself.
type description struct {
	Public keyring.Public  `json:"public"`
	Walls  restrict.Report `json:"walls"`
}

// A refusal is an error on its way.
type refusal struct {
	Code   mft.Code `json:"code"`
	Detail string   `json:"detail"`
}

// A question is what the agent wants.
type question struct {
	kind  byte
	key   [16]byte
	id    sealing.ID
	label string
	bytes []byte
	now   time.Time
	end   time.Time
}

// append returns the body of the question.
func (q question) append(b []byte) []byte {
	switch q.kind {
	case askHandshake, askEnvelope:
		b = append(b, q.key[:]...)
		b = append(b, q.bytes...)
	case askUnseal:
		b = append(b, q.id[:]...)
		b = append(b, byte(len(q.label)))
		b = append(b, q.label...)
		b = append(b, q.bytes...)
	case askRotate:
		b = binary.BigEndian.AppendUint64(b, uint64(q.now.Unix()))
		b = binary.BigEndian.AppendUint64(b, uint64(q.end.Unix()))
	}
	return b
}

// maxSeconds is the end of the year 9999.
const maxSeconds = 253402300799

// parse reads a question. What it returns shares memory with body.
func parse(kind byte, body []byte) (question, error) {
	q := question{kind: kind}
	switch kind {
	case askDescribe:
		if len(body) != 0 {
			return q, errors.New("something follows a question for the description")
		}
	case askHandshake, askEnvelope:
		if len(body) < len(q.key) {
			return q, errors.New("it names no key")
		}
		copy(q.key[:], body)
		q.bytes = body[len(q.key):]
	case askUnseal:
		if len(body) < len(q.id)+1 || len(body) < len(q.id)+1+int(body[len(q.id)]) {
			return q, errors.New("it breaks off")
		}
		copy(q.id[:], body)
		end := len(q.id) + 1 + int(body[len(q.id)])
		q.label, q.bytes = string(body[len(q.id)+1:end]), body[end:]
	case askRotate:
		if len(body) != 16 {
			return q, errors.New("it is not two times")
		}
		now, end := binary.BigEndian.Uint64(body), binary.BigEndian.Uint64(body[8:])
		if now > maxSeconds || end > maxSeconds || end < now {
			return q, errors.New("the times are not in order")
		}
		q.now, q.end = time.Unix(int64(now), 0), time.Unix(int64(end), 0)
	default:
		return q, fmt.Errorf("%d is no question", kind)
	}
	return q, nil
}

// write sends a frame in one call.
func write(w io.Writer, kind byte, body []byte) error {
	b := make([]byte, 0, headerSize+len(body))
	b = append(b, kind)
	b = binary.BigEndian.AppendUint32(b, uint32(len(body)))
	_, err := w.Write(append(b, body...))
	return err
}

// read takes a frame of at most most bytes.
func read(r io.Reader, most uint32) (kind byte, body []byte, err error) {
	var head [headerSize]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, nil, err
	}
	n := binary.BigEndian.Uint32(head[1:])
	if n > most {
		return 0, nil, fmt.Errorf("%d bytes follow, and %d may", n, most)
	}
	body = make([]byte, n)
	_, err = io.ReadFull(r, body)
	return head[0], body, err
}

func marshal(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		return nil // these types always can be
	}
	return b
}

package nats

import (
	"context"

	"github.com/nats-io/nats.go"

	"mft.dev/mft"
	"mft.dev/mft/exchange"
	"mft.dev/mft/exchange/nats/cluster"
)

// keys implements exchange.Keys: the last message of the subject
// mft.keys.AGENT.ID. That a statement lies there says nothing of whose it is.
type keys struct{ *Storage }

// maxPages bounds the reading of one agent's statements.
const maxPages = 20

// Publish implements exchange.Keys.
func (k keys) Publish(ctx context.Context, id string, statement []byte) error {
	if err := exchange.CheckStatement(id, statement); err != nil {
		return err
	}
	_, err := k.cluster.Store(ctx, keysStream, keysOf(k.agent)+"."+id, statement, nil)
	return cluster.Failure(ctx, "publish statement", id, err)
}

// Statements implements exchange.Keys.
func (k keys) Statements(ctx context.Context, of mft.AgentName) ([][]byte, error) {
	const op = "read statements of"
	if err := cluster.Fits(op, of); err != nil {
		return nil, err
	}
	var out [][]byte
	err := k.scan(ctx, keysStream, keysOf(of)+".*", maxPages, func(m *nats.Msg) error {
		if len(m.Data) == 0 || len(m.Data) > exchange.MaxStatement {
			return nil
		}
		out = append(out, m.Data)
		if len(out) > exchange.MaxStatements { // the first is the oldest
			out = out[1:]
		}
		return nil
	})
	if err != nil {
		return nil, cluster.Failure(ctx, op, string(of), err)
	}
	return out, nil
}

package dir

import (
	"context"
	"errors"
	"strings"

	"mft.dev/mft"
	"mft.dev/mft/exchange"
	"mft.dev/mft/internal/confine"
)

// A statement is one file in the directory of keys.
const statementPrefix = "k-"

type keys struct{ f *folder }

func (k keys) Publish(ctx context.Context, id string, statement []byte) error {
	if err := exchange.CheckStatement(id, statement); err != nil {
		return err
	}
	return k.f.use(ctx, "publish statement", func(c *call) error {
		temp, err := c.open(c.agent, temporaryDir)
		if err != nil {
			return err
		}
		d, err := c.open(c.agent, keysDir)
		if err != nil {
			return err
		}
		if err := thin(d, statementPrefix+id); err != nil {
			return err
		}
		return write(temp, d, statementPrefix+id, statement, confine.RenameReplace)
	})
}

// thin removes the oldest statements but for as many as leave room for one more.
func thin(d *confine.Dir, but string) error {
	for {
		n, oldest, first := 0, "", confine.Identity{}
		err := d.List(func(name []byte, id *confine.Identity, _ []byte) error {
			if s := string(name); strings.HasPrefix(s, statementPrefix) && s != but {
				if n++; n == 1 || id.MTime < first.MTime {
					oldest, first = s, *id
				}
			}
			return nil
		})
		if err != nil || n < exchange.MaxStatements {
			return err
		}
		if err := ignoreMissing(d.Remove(oldest)); err != nil {
			return err
		}
	}
}

func (k keys) Statements(ctx context.Context, of mft.AgentName) (out [][]byte, err error) {
	if _, err := mft.ParseAgentName(string(of)); err != nil {
		return nil, err
	}
	err = k.f.use(ctx, "read statements", func(c *call) error {
		d, err := c.open(of, keysDir)
		if missing(err) {
			return c.fail(mft.CodeNotFound, string(of), "this agent has no keys in the folder")
		}
		if err != nil {
			return err
		}
		looked := 0
		err = d.Names(func(name string) error {
			if looked++; looked > 16*exchange.MaxStatements || len(out) == exchange.MaxStatements {
				return errEnough
			}
			if !strings.HasPrefix(name, statementPrefix) {
				return ctx.Err()
			}
			statement, err := c.readSmall(d.Rel()+"/"+name, exchange.MaxStatement)
			switch mft.CodeOf(err) {
			case mft.CodeOK:
				out = append(out, statement)
			case mft.CodeNotFound, mft.CodeTooLarge, mft.CodeNotRegular, mft.CodeSymlink: // is no statement
			default:
				return err
			}
			return ctx.Err()
		})
		if errors.Is(err, errEnough) {
			return nil
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

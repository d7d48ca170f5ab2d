package nats

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/sync/errgroup"

	"mft.dev/mft"
	"mft.dev/mft/exchange"
	"mft.dev/mft/exchange/nats/cluster"
)

// reader implements exchange.Reader. It gets single messages by their subject,
// and needs no other right.
type reader struct{ *Storage }

// parseRef reads "AGENT/TOKEN", which leads nowhere but into this cluster.
func parseRef(ref string) (mft.AgentName, string, error) {
	agent, secret, _ := strings.Cut(ref, "/")
	if len(ref) > exchange.MaxRef || cluster.Fits("read grant", mft.AgentName(agent)) != nil || !isToken(secret) {
		return "", "", mft.Fail(mft.CodeBadPath, "read grant", "", errors.New("it names no object of an agent"))
	}
	return mft.AgentName(agent), secret, nil
}

// Read implements exchange.Reader.
func (r reader) Read(ctx context.Context, ref string, offset int64, p []byte) error {
	const op = "read granted object"
	agent, secret, err := parseRef(ref)
	if err != nil {
		return err
	}
	if offset < 0 {
		return mft.Fail(mft.CodeUsage, op, string(agent), fmt.Errorf("it has no byte %d", offset))
	}
	if len(p) == 0 {
		return nil
	}
	from := source{s: r.Storage, agent: agent}
	granted, err := r.cluster.Get(ctx, boxStream(agent), boxOf(agent)+".g."+secret)
	if errors.Is(err, cluster.ErrNone) {
		return mft.Fail(mft.CodeExpired, op, string(agent), errors.New("the grant has ended or was withdrawn"))
	}
	if err == nil {
		err = from.parse(granted.Data)
	}
	if err == nil && (from.Blocks == 0 || offset > from.Size || int64(len(p)) > from.Size-offset) {
		return mft.Fail(mft.CodeNotFound, op, string(agent), fmt.Errorf("it ends before byte %d", offset+int64(len(p))))
	}
	if err == nil {
		err = from.read(ctx, offset, p)
	}
	return cluster.Failure(ctx, op, string(agent), err)
}

// A source is an object that was granted. What it says was written by a peer.
type source struct {
	record
	s     *Storage
	agent mft.AgentName
}

// read fills p, which lies within the object, block by block.
func (f source) read(ctx context.Context, offset int64, p []byte) error {
	for len(p) > 0 {
		block := int(offset / int64(f.Block))
		start := int(offset % int64(f.Block))
		length := int(min(int64(f.Block), f.Size-int64(block)*int64(f.Block)))
		n := min(len(p), length-start)
		if err := f.readBlock(ctx, block, length, start, p[:n]); err != nil {
			return err
		}
		offset, p = offset+int64(n), p[n:]
	}
	return nil
}

// readBlock fills p from a place in a block of the given length on.
func (f source) readBlock(ctx context.Context, block, length, start int, p []byte) error {
	stream, root, number := boxStream(f.agent), boxOf(f.agent), strconv.Itoa(block)
	m, err := f.s.cluster.Get(ctx, stream, root+".b."+f.Secret+"."+number)
	if err != nil {
		return err
	}
	var s staged
	if json.Unmarshal(m.Data, &s) != nil || len(s.Tag) != 16 || strings.Trim(s.Tag, "0123456789abcdef") != "" || s.Length != length {
		return mft.Fail(mft.CodeCorrupt, "read block", number, errors.New("it is not what was published"))
	}
	group, within := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	for i := start / chunk; i*chunk < start+len(p); i++ {
		group.Go(func() error {
			m, err := f.s.cluster.Get(within, stream, root+".c."+f.Secret+"."+number+"."+s.Tag+"."+strconv.Itoa(i))
			if err != nil {
				return err
			}
			if len(m.Data) != min(chunk, length-i*chunk) {
				return mft.Fail(mft.CodeCorrupt, "read chunk", number, errors.New("it is not what was published"))
			}
			at := i*chunk - start // of the chunk in p
			copy(p[max(at, 0):], m.Data[max(-at, 0):])
			return nil
		})
	}
	return group.Wait()
}

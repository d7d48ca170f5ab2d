package azure

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"

	"mft.dev/mft"
	"mft.dev/mft/exchange"
	"mft.dev/mft/exchange/azure/account"
)

// keys implements exchange.Keys: publickeys/AGENT/ID. That a statement lies
// there says nothing of whose it is.
type keys struct{ *Storage }

// statedKey is the metadata that says when a statement was published, to order
// those of one second. It proves nothing.
const statedKey = "stated"

// maxPages bounds the listing of one agent's statements.
const maxPages = 10

// Publish implements exchange.Keys.
func (k keys) Publish(ctx context.Context, id string, statement []byte) error {
	if err := exchange.CheckStatement(id, statement); err != nil {
		return err
	}
	name := string(k.agent) + "/" + id
	at := k.now().UTC().Format("2006-01-02T15:04:05.000000000Z")
	_, err := k.container(keysContainer).NewBlockBlobClient(name).Upload(ctx, streaming.NopCloser(bytes.NewReader(statement)),
		&blockblob.UploadOptions{Metadata: map[string]*string{ownerKey: k.owner(), statedKey: &at}})
	return account.Failure(ctx, "publish statement", name, err)
}

// Statements implements exchange.Keys. What is no statement by its name or size
// is passed over, and so is one that is removed meanwhile.
func (k keys) Statements(ctx context.Context, of mft.AgentName) ([][]byte, error) {
	if err := account.Fits("read statements of", of); err != nil {
		return nil, err
	}
	found, err := k.list(ctx, of)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(found, func(a, b stated) int {
		return cmp.Or(b.changed.Compare(a.changed), strings.Compare(b.at, a.at))
	})
	var out [][]byte
	for _, f := range found[:min(len(found), exchange.MaxStatements)] {
		statement, err := k.read(ctx, f.name)
		if mft.CodeOf(err) == mft.CodeNotFound {
			continue
		}
		if err != nil {
			return nil, err
		}
		out = append(out, statement)
	}
	return out, nil
}

// stated is a statement that was found, and when it was published: by the
// clock of the storage, and within its second by that of the agent.
type stated struct {
	name    string
	changed time.Time
	at      string
}

func (k keys) list(ctx context.Context, of mft.AgentName) ([]stated, error) {
	prefix, most := string(of)+"/", int32(pageSize)
	pages := k.container(keysContainer).NewListBlobsFlatPager(&container.ListBlobsFlatOptions{
		Prefix: &prefix, MaxResults: &most, Include: container.ListBlobsInclude{Metadata: true},
	})
	var out []stated
	for n := 0; n < maxPages && pages.More(); n++ {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, account.Failure(ctx, "list statements of", string(of), err)
		}
		if page.Segment == nil {
			break
		}
		for _, item := range page.Segment.BlobItems {
			if s, ok := statementOf(item, prefix); ok {
				out = append(out, s)
			}
		}
	}
	return out, nil
}

func statementOf(item *container.BlobItem, prefix string) (stated, bool) {
	if item == nil || item.Name == nil || item.Properties == nil || item.Properties.ContentLength == nil || item.Properties.LastModified == nil {
		return stated{}, false
	}
	id, ours := strings.CutPrefix(*item.Name, prefix)
	size := *item.Properties.ContentLength
	if !ours || size < 1 || size > exchange.MaxStatement || exchange.CheckStatement(id, []byte{0}) != nil {
		return stated{}, false
	}
	return stated{*item.Name, *item.Properties.LastModified, metadata(item.Metadata, statedKey)}, true
}

func (k keys) read(ctx context.Context, name string) ([]byte, error) {
	const op = "read statement"
	resp, err := k.container(keysContainer).NewBlobClient(name).DownloadStream(ctx, nil)
	if account.Status(err) == http.StatusNotFound {
		return nil, mft.Fail(mft.CodeNotFound, op, name, nil)
	}
	if err != nil {
		return nil, account.Failure(ctx, op, name, err)
	}
	defer resp.Body.Close()
	statement, err := io.ReadAll(io.LimitReader(resp.Body, exchange.MaxStatement+1))
	if err != nil {
		return nil, account.Failure(ctx, op, name, err)
	}
	if len(statement) > exchange.MaxStatement {
		return nil, mft.Fail(mft.CodeTooLarge, op, name, fmt.Errorf("it is longer than %d bytes: it was replaced while it was read", exchange.MaxStatement))
	}
	return statement, nil
}

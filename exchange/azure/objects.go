package azure

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"

	"mft.dev/mft"
	"mft.dev/mft/exchange"
	"mft.dev/mft/exchange/azure/account"
)

// blocksKey is the metadata that says of how many blocks an object was made.
// What has none is not published.
const blocksKey = "blocks"

// pageSize is how many objects a listing asks for at once.
const pageSize = 1000

// objects implements exchange.Container with block blobs.
type objects struct{ *Storage }

// blockID names a block. All names of one blob must be equally long.
func blockID(n int) string {
	return base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "part-%08d", n))
}

// Stage implements exchange.Container.
func (o objects) Stage(ctx context.Context, name string, block int, content []byte) error {
	if err := sizes.CheckBlock(name, block, content); err != nil {
		return err
	}
	body := streaming.NopCloser(bytes.NewReader(content))
	_, err := o.own().NewBlockBlobClient(name).StageBlock(o.account.WithSize(ctx, len(content)), blockID(block), body, nil)
	return account.Failure(ctx, "stage block of", name, err)
}

// Publish implements exchange.Container. The condition that nothing has the
// name makes it once and for good, whoever else tries.
func (o objects) Publish(ctx context.Context, name string, blocks int) error {
	if err := sizes.CheckBlocks(name, blocks); err != nil {
		return err
	}
	ids := make([]string, blocks)
	for i := range ids {
		ids[i] = blockID(i)
	}
	count := strconv.Itoa(blocks)
	_, err := o.own().NewBlockBlobClient(name).CommitBlockList(o.account.WithSize(ctx, 64*blocks), ids, &blockblob.CommitBlockListOptions{
		Metadata:         map[string]*string{ownerKey: o.owner(), blocksKey: &count},
		AccessConditions: noneYet(),
	})
	if err == nil {
		return nil
	}
	failed := account.Failure(ctx, "publish object", name, err)
	if mft.CodeOf(failed) != mft.CodeExists && mft.CodeOf(failed) != mft.CodeNotFound {
		return failed
	}
	// It may be there from before: from another try, whose answer was lost. The
	// blocks of that one are no longer staged.
	there, err := o.blocks(ctx, name)
	switch {
	case err != nil || there == 0:
		return failed
	case there != blocks:
		return mft.Fail(mft.CodeExists, "publish object", name, fmt.Errorf("it is published with %d blocks, not %d", there, blocks))
	}
	return nil
}

// blocks returns of how many blocks a published object was made, 0 if of none
// that were staged here.
func (o objects) blocks(ctx context.Context, name string) (int, error) {
	resp, err := o.own().NewBlobClient(name).GetProperties(ctx, nil)
	if err != nil {
		return 0, account.Failure(ctx, "look at object", name, err)
	}
	n, err := strconv.Atoi(metadata(resp.Metadata, blocksKey))
	if err != nil || n < 0 {
		return 0, nil
	}
	return n, nil
}

// Grant implements exchange.Container.
func (o objects) Grant(ctx context.Context, name string, life time.Duration) (exchange.Grant, error) {
	life, err := exchange.CheckGrant(name, life)
	if err != nil {
		return exchange.Grant{}, err
	}
	switch n, err := o.blocks(ctx, name); {
	case err != nil:
		return exchange.Grant{}, err
	case n == 0:
		return exchange.Grant{}, mft.Fail(mft.CodeNotFound, "grant object", name, errors.New("it is not published"))
	}
	return o.grant(ctx, name, life)
}

// Remove implements exchange.Container. A blob that is only staged cannot be
// deleted, so it is made one of no blocks first, which drops those that are
// staged. It is looked for first, for the emulator would delete the name of it
// and keep the blocks.
func (o objects) Remove(ctx context.Context, name string) error {
	if err := exchange.CheckName(name); err != nil {
		return err
	}
	var found *exchange.Object
	err := o.list(ctx, name, func(first exchange.Object) bool {
		if first.Name == name {
			found = &first
		}
		return false // the first in order is the shortest
	})
	if err != nil || found == nil {
		return err
	}
	if !found.Published {
		_, err = o.own().NewBlockBlobClient(name).CommitBlockList(ctx, nil, &blockblob.CommitBlockListOptions{
			Metadata: map[string]*string{ownerKey: o.owner()}, AccessConditions: noneYet(),
		})
		if failed := account.Failure(ctx, "remove object", name, err); failed != nil && mft.CodeOf(failed) != mft.CodeExists {
			return failed
		}
	}
	with := blob.DeleteSnapshotsOptionTypeInclude // others may have made some
	_, err = o.own().NewBlobClient(name).Delete(ctx, &blob.DeleteOptions{DeleteSnapshots: &with})
	if account.Answered(err, "BlobNotFound") {
		return nil
	}
	return account.Failure(ctx, "remove object", name, err)
}

// List implements exchange.Container. What is in the container and cannot be
// ours by its name is left out: nobody is to remove it.
func (o objects) List(ctx context.Context, yield func(exchange.Object) bool) error {
	return o.list(ctx, "", yield)
}

func (o objects) list(ctx context.Context, prefix string, yield func(exchange.Object) bool) error {
	most := int32(pageSize)
	pages := o.own().NewListBlobsFlatPager(&container.ListBlobsFlatOptions{
		Prefix: &prefix, MaxResults: &most, Include: container.ListBlobsInclude{Metadata: true, UncommittedBlobs: true},
	})
	for pages.More() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return account.Failure(ctx, "list container", string(o.agent), err)
		}
		if page.Segment == nil {
			continue
		}
		now := o.now()
		if page.Date != nil {
			now = *page.Date
		}
		for _, item := range page.Segment.BlobItems {
			if item == nil || item.Name == nil || item.Snapshot != nil || exchange.CheckName(*item.Name) != nil {
				continue
			}
			if !yield(objectOf(item, now)) {
				return nil
			}
		}
	}
	return nil
}

// objectOf describes a blob. One that is only staged may have no time of its
// own: it counts as just changed, so that nobody takes it for abandoned.
func objectOf(item *container.BlobItem, now time.Time) exchange.Object {
	out := exchange.Object{Name: *item.Name, Changed: now, Published: metadata(item.Metadata, blocksKey) != ""}
	if p := item.Properties; p != nil {
		if p.LastModified != nil {
			out.Changed = *p.LastModified
		}
		if p.ContentLength != nil && out.Published {
			out.Size = *p.ContentLength
		}
	}
	return out
}

// metadata finds a name whatever its case, which HTTP does not keep.
func metadata(all map[string]*string, name string) string {
	for k, v := range all {
		if strings.EqualFold(k, name) && v != nil {
			return *v
		}
	}
	return ""
}

func (s *Storage) owner() *string {
	name := string(s.agent)
	return &name
}

// noneYet is the condition that nothing has the name.
func noneYet() *blob.AccessConditions {
	star := azcore.ETagAny
	return &blob.AccessConditions{ModifiedAccessConditions: &blob.ModifiedAccessConditions{IfNoneMatch: &star}}
}

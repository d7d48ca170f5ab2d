package s3

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"

	"mft.dev/mft"
	"mft.dev/mft/exchange"
)

// pageSize is how many uploads or parts a listing asks for at once, and maxPages
// bounds it.
const (
	pageSize = 1000
	maxPages = 1000
)

// objects implements exchange.Container.
type objects struct{ *Storage }

func (o objects) key(name string) string { return o.Storage.key(o.config.Agent, name) }

// unfinished calls yield for the uploads whose key begins with prefix.
func (o objects) unfinished(ctx context.Context, prefix string, yield func(minio.ObjectMultipartInfo)) error {
	key, id := "", ""
	for range maxPages {
		page, err := o.core.ListMultipartUploads(ctx, o.config.Bucket, prefix, key, id, "", pageSize)
		if answered(err, "NoSuchUpload") { // some say so of a bucket without uploads
			return nil
		}
		if err != nil {
			return err
		}
		for _, u := range page.Uploads {
			yield(u)
		}
		if !page.IsTruncated || page.NextKeyMarker == key && page.NextUploadIDMarker == id {
			return nil
		}
		key, id = page.NextKeyMarker, page.NextUploadIDMarker
	}
	return mft.Fail(mft.CodeProtocol, "list uploads", "", errors.New("there is no end of them"))
}

// uploadsOf returns the uploads of one object, the oldest first: that one counts.
func (o objects) uploadsOf(ctx context.Context, name string) ([]string, error) {
	var found []minio.ObjectMultipartInfo
	err := o.unfinished(ctx, o.key(name), func(u minio.ObjectMultipartInfo) {
		if u.Key == o.key(name) {
			found = append(found, u)
		}
	})
	slices.SortFunc(found, func(a, b minio.ObjectMultipartInfo) int {
		if order := a.Initiated.Compare(b.Initiated); order != 0 {
			return order
		}
		return strings.Compare(a.UploadID, b.UploadID)
	})
	var ids []string
	for _, u := range found {
		ids = append(ids, u.UploadID)
	}
	return ids, err
}

// upload returns the one that an object is staged in, and begins it if there is none.
func (o objects) upload(ctx context.Context, name string) (string, error) {
	o.opening.Lock()
	defer o.opening.Unlock()
	o.mu.Lock()
	id := o.uploads[name]
	o.mu.Unlock()
	if id != "" {
		return id, nil
	}
	ids, err := o.uploadsOf(ctx, name)
	if err != nil {
		return "", err
	}
	if len(ids) == 0 {
		if ids, err = o.begin(ctx, name); err != nil {
			return "", err
		}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.uploads) > 1000 {
		clear(o.uploads)
	}
	o.uploads[name] = ids[0]
	return ids[0], nil
}

func (o objects) begin(ctx context.Context, name string) ([]string, error) {
	switch n, err := o.blocks(ctx, name); {
	case err == nil:
		return nil, mft.Fail(mft.CodeExists, "stage object", name, fmt.Errorf("it is published with %d blocks", n))
	case mft.CodeOf(err) != mft.CodeNotFound:
		return nil, err
	}
	id, err := o.core.NewMultipartUpload(ctx, o.config.Bucket, o.key(name), minio.PutObjectOptions{})
	if err != nil {
		return nil, err
	}
	// Another process may have begun one too: both go on with the older.
	ids, err := o.uploadsOf(ctx, name)
	if err != nil || len(ids) == 0 {
		return []string{id}, err
	}
	return ids, nil
}

func (o objects) forget(name string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.uploads, name)
}

// Stage implements exchange.Container.
func (o objects) Stage(ctx context.Context, name string, block int, content []byte) error {
	if err := sizes.CheckBlock(name, block, content); err != nil {
		return err
	}
	err := o.stage(ctx, name, block, content)
	if answered(err, "NoSuchUpload") { // it was published or removed
		o.forget(name)
		err = o.stage(ctx, name, block, content)
	}
	return Failure(ctx, "stage block of", name, err)
}

func (o objects) stage(ctx context.Context, name string, block int, content []byte) error {
	id, err := o.upload(ctx, name)
	if err != nil {
		return err
	}
	_, err = o.core.PutObjectPart(ctx, o.config.Bucket, o.key(name), id, block+1, bytes.NewReader(content), int64(len(content)),
		minio.PutObjectPartOptions{Md5Base64: digest(content), DisableContentSha256: true})
	return err
}

// digest is against damage on the way, in what all storages know.
func digest(content []byte) string {
	sum := md5.Sum(content)
	return base64.StdEncoding.EncodeToString(sum[:])
}

// Publish implements exchange.Container. The condition that nothing has the
// name makes it once and for good; where a storage does not know it, that the
// object is looked for first has to do.
func (o objects) Publish(ctx context.Context, name string, blocks int) error {
	const op = "publish object"
	if err := sizes.CheckBlocks(name, blocks); err != nil {
		return err
	}
	there, err := o.blocks(ctx, name)
	if mft.CodeOf(err) == mft.CodeNotFound {
		if err = o.complete(ctx, name, blocks); err == nil {
			return nil
		}
		failed := Failure(ctx, op, name, err)
		// It may be there from before: from another try, whose answer was lost, or
		// from one at the same time.
		var again error
		if there, again = o.blocks(ctx, name); again != nil {
			return failed
		}
	} else if err != nil {
		return Failure(ctx, op, name, err)
	}
	if there != blocks {
		return mft.Fail(mft.CodeExists, op, name, fmt.Errorf("it is published with %d blocks, not %d", there, blocks))
	}
	return nil
}

// complete makes an object of the first blocks that are staged.
func (o objects) complete(ctx context.Context, name string, blocks int) error {
	ids, err := o.uploadsOf(ctx, name)
	if err != nil {
		return err
	}
	if len(ids) == 0 {
		return mft.Fail(mft.CodeNotFound, "find object", name, errors.New("nothing of it is staged"))
	}
	parts, err := o.parts(ctx, name, ids[0], blocks)
	if err != nil {
		return err
	}
	var options minio.PutObjectOptions
	options.SetMatchETagExcept("*")
	_, err = o.core.CompleteMultipartUpload(ctx, o.config.Bucket, o.key(name), ids[0], parts, options)
	o.forget(name)
	return err
}

// parts returns the first blocks of an upload. CodeNotFound when one is missing.
func (o objects) parts(ctx context.Context, name, id string, blocks int) ([]minio.CompletePart, error) {
	out := make([]minio.CompletePart, blocks)
	marker, have := 0, 0
	for range maxPages {
		page, err := o.core.ListObjectParts(ctx, o.config.Bucket, o.key(name), id, marker, pageSize)
		if err != nil {
			return nil, err
		}
		for _, p := range page.ObjectParts {
			if i := p.PartNumber - 1; i >= 0 && i < blocks && out[i].PartNumber == 0 {
				out[i] = minio.CompletePart{PartNumber: p.PartNumber, ETag: strings.Trim(p.ETag, `"`)}
				have++
			}
		}
		if !page.IsTruncated || page.NextPartNumberMarker <= marker || have == blocks {
			break
		}
		marker = page.NextPartNumberMarker
	}
	if have < blocks {
		return nil, mft.Fail(mft.CodeNotFound, "find blocks of", name, fmt.Errorf("%d of %d are not staged", blocks-have, blocks))
	}
	return out, nil
}

// blocks returns of how many parts a published object was made, which its ETag
// tells behind a dash; 0 of one that was not.
func (o objects) blocks(ctx context.Context, name string) (int, error) {
	info, err := o.client.StatObject(ctx, o.config.Bucket, o.key(name), minio.StatObjectOptions{})
	if err != nil {
		return 0, Failure(ctx, "look at object", name, err)
	}
	_, count, _ := strings.Cut(strings.Trim(info.ETag, `"`), "-")
	n, err := strconv.Atoi(count)
	if err != nil || n < 0 {
		return 0, nil
	}
	return n, nil
}

// Remove implements exchange.Container.
func (o objects) Remove(ctx context.Context, name string) error {
	const op = "remove object"
	if err := exchange.CheckName(name); err != nil {
		return err
	}
	o.forget(name)
	ids, err := o.uploadsOf(ctx, name)
	if err != nil {
		return Failure(ctx, op, name, err)
	}
	for _, id := range ids {
		err := o.core.AbortMultipartUpload(ctx, o.config.Bucket, o.key(name), id)
		if err != nil && !answered(err, "NoSuchUpload") {
			return Failure(ctx, op, name, err)
		}
	}
	err = o.client.RemoveObject(ctx, o.config.Bucket, o.key(name), minio.RemoveObjectOptions{})
	if answered(err, "NoSuchKey") {
		return nil
	}
	return Failure(ctx, op, name, err)
}

// List implements exchange.Container. Uploads are read first, so that one that is
// completed meanwhile is told as an object. An upload has only the time when it
// was begun.
func (o objects) List(ctx context.Context, yield func(exchange.Object) bool) error {
	const op = "list container"
	prefix := o.key("")
	begun := map[string]time.Time{}
	err := o.unfinished(ctx, prefix, func(u minio.ObjectMultipartInfo) {
		name := strings.TrimPrefix(u.Key, prefix)
		if exchange.CheckName(name) == nil && u.Initiated.After(begun[name]) {
			begun[name] = u.Initiated
		}
	})
	if err != nil {
		return Failure(ctx, op, string(o.config.Agent), err)
	}
	within, stop := context.WithCancel(ctx)
	defer stop() // ends the listing of the library
	for info := range o.client.ListObjectsIter(within, o.config.Bucket, minio.ListObjectsOptions{Prefix: prefix, Recursive: true}) {
		if info.Err != nil {
			return Failure(ctx, op, string(o.config.Agent), info.Err)
		}
		name := strings.TrimPrefix(info.Key, prefix)
		if exchange.CheckName(name) != nil {
			continue // not ours
		}
		delete(begun, name)
		if !yield(exchange.Object{Name: name, Published: true, Size: info.Size, Changed: info.LastModified}) {
			return nil
		}
	}
	for _, name := range slices.Sorted(maps.Keys(begun)) {
		if !yield(exchange.Object{Name: name, Changed: begun[name]}) {
			return nil
		}
	}
	return nil
}

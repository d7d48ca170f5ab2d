// Package bare moves files through a storage account with nothing but the
// library that Azure gives to programmers: what somebody writes who needs it on
// one afternoon.
//
//	err := bare.Make(ctx, account, "container")
//	err = bare.Upload(ctx, account, "container", source)
//	err = bare.Download(ctx, account, "container", into)
//
// A file goes as one blob with what the library takes by itself for blocks and
// for how many go at a time; of small files eight go at a time. The package refuses to be
// more than that: it seals, flushes and compares nothing, keeps no times, and
// what breaks off begins anew. Accounts are those of the emulator.
package bare

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"golang.org/x/sync/errgroup"
)

// filesAtOnce is how many files go at a time.
const filesAtOnce = 8

// Make makes a container.
func Make(ctx context.Context, a Account, name string) error {
	client, err := a.client()
	if err != nil {
		return err
	}
	_, err = client.CreateContainer(ctx, name, nil)
	return err
}

// Upload puts a file, or what is in a directory, into a container, named by its
// path below the directory that holds source.
func Upload(ctx context.Context, a Account, name, source string) error {
	client, err := a.client()
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(filesAtOnce)
	err = filepath.WalkDir(source, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		rel, err := filepath.Rel(filepath.Dir(source), path)
		if err != nil {
			return err
		}
		g.Go(func() error { return put(ctx, client, name, filepath.ToSlash(rel), path) })
		return ctx.Err()
	})
	if errGroup := g.Wait(); errGroup != nil {
		return errGroup // why the walk ended
	}
	return err
}

func put(ctx context.Context, client *azblob.Client, name, key, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = client.UploadFile(ctx, name, key, f, nil)
	return err
}

// Download writes everything that is in a container below a directory.
func Download(ctx context.Context, a Account, name, into string) error {
	client, err := a.client()
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(filesAtOnce)
	pages := client.NewListBlobsFlatPager(name, nil)
	for pages.More() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			if errGroup := g.Wait(); errGroup != nil {
				return errGroup // it ended the listing
			}
			return err
		}
		for _, item := range page.Segment.BlobItems {
			g.Go(func() error { return get(ctx, client, name, item, into) })
		}
	}
	return g.Wait()
}

func get(ctx context.Context, client *azblob.Client, name string, item *container.BlobItem, into string) error {
	path, err := filepath.Localize(*item.Name)
	if err != nil {
		return err
	}
	path = filepath.Join(into, path)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	// The length is known: the library need not ask for it.
	_, err = client.DownloadFile(ctx, name, *item.Name, f, &blob.DownloadFileOptions{Range: blob.HTTPRange{Count: *item.Properties.ContentLength}})
	if err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

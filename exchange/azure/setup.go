package azure

import (
	"context"
	"errors"
	"fmt"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azqueue/v2"

	"mft.dev/mft"
	"mft.dev/mft/exchange"
	"mft.dev/mft/exchange/azure/account"
)

const (
	made    = "made"
	marked  = "marked"
	nothing = "nothing"
)

// A vessel is a container or a queue that belongs to one agent, or to all.
type vessel struct {
	what  string
	owner string // "" when it belongs to all
	// look returns its metadata, and whether others may read it without a right.
	look   func(context.Context) (map[string]*string, bool, error)
	empty  func(context.Context) (bool, error)
	create func(context.Context) error
	mark   func(context.Context) error
}

// Setup makes what is missing of the queue and the container of this agent and
// of the container of keys, and reports what it did, up to the first error.
// Doing it again changes nothing. What is there already and is marked as that of
// another, or is in use and not marked, is refused with CodeExists, for what
// lies in a container of an agent may be removed; what everybody may read, with
// CodeNotAllowed.
func (s *Storage) Setup(ctx context.Context) ([]exchange.Step, error) {
	own := string(s.agent)
	return setUpAll(ctx, s.containerVessel(own, own), s.queueVessel(own), s.containerVessel(keysContainer, ""))
}

// SetupContainer is Setup for the container of this agent alone, for queues and
// keys that lie elsewhere.
func (s *Storage) SetupContainer(ctx context.Context) ([]exchange.Step, error) {
	return setUpAll(ctx, s.containerVessel(string(s.agent), string(s.agent)))
}

func setUpAll(ctx context.Context, all ...vessel) ([]exchange.Step, error) {
	var out []exchange.Step
	for _, v := range all {
		done, err := v.setUp(ctx)
		if err != nil {
			return out, err
		}
		out = append(out, exchange.Step{What: v.what, Done: done})
	}
	return out, nil
}

func (v vessel) setUp(ctx context.Context) (string, error) {
	const op = "set up"
	have, public, err := v.look(ctx)
	if mft.CodeOf(account.Failure(ctx, op, v.what, err)) == mft.CodeNotFound {
		err = v.create(ctx)
		if mft.CodeOf(account.Failure(ctx, op, v.what, err)) != mft.CodeExists {
			return made, account.Failure(ctx, op, v.what, err)
		}
		have, public, err = v.look(ctx) // somebody was faster
	}
	if err != nil {
		return "", account.Failure(ctx, op, v.what, err)
	}
	if public {
		return "", mft.Fail(mft.CodeNotAllowed, op, v.what, errors.New("everybody may read it: set its public access to none"))
	}
	owner := metadata(have, ownerKey)
	switch {
	case v.owner == "" || owner == v.owner:
		return nothing, nil
	case owner != "":
		return "", mft.Fail(mft.CodeExists, op, v.what, fmt.Errorf("it belongs to the agent %q by its metadata", owner))
	}
	empty, err := v.empty(ctx)
	if err != nil {
		return "", account.Failure(ctx, op, v.what, err)
	}
	if !empty {
		return "", mft.Fail(mft.CodeExists, op, v.what, fmt.Errorf(
			"there is something in it, and nothing says whose it is: give the agent another name, or set the metadata %s=%s if all of it is that agent's", ownerKey, v.owner))
	}
	return marked, account.Failure(ctx, op, v.what, v.mark(ctx))
}

func (s *Storage) containerVessel(name, owner string) vessel {
	c := s.container(name)
	mark := map[string]*string{}
	if owner != "" {
		mark[ownerKey] = &owner
	}
	return vessel{
		what: "container " + name, owner: owner,
		look: func(ctx context.Context) (map[string]*string, bool, error) {
			p, err := c.GetProperties(ctx, nil)
			return p.Metadata, p.BlobPublicAccess != nil, err
		},
		empty: func(ctx context.Context) (bool, error) {
			one := int32(1)
			page, err := c.NewListBlobsFlatPager(&container.ListBlobsFlatOptions{
				MaxResults: &one, Include: container.ListBlobsInclude{UncommittedBlobs: true},
			}).NextPage(ctx)
			more := page.NextMarker != nil && *page.NextMarker != ""
			return !more && (page.Segment == nil || len(page.Segment.BlobItems) == 0), err
		},
		create: func(ctx context.Context) error {
			_, err := c.Create(ctx, &container.CreateOptions{Metadata: mark})
			return err
		},
		mark: func(ctx context.Context) error {
			_, err := c.SetMetadata(ctx, &container.SetMetadataOptions{Metadata: mark})
			return err
		},
	}
}

func (s *Storage) queueVessel(owner string) vessel {
	q := s.account.Queues.NewQueueClient(owner)
	mark := map[string]*string{ownerKey: &owner}
	return vessel{
		what: "queue " + owner, owner: owner,
		look: func(ctx context.Context) (map[string]*string, bool, error) {
			p, err := q.GetProperties(ctx, nil)
			return p.Metadata, false, err
		},
		empty: func(ctx context.Context) (bool, error) {
			p, err := q.GetProperties(ctx, nil)
			return p.ApproximateMessagesCount != nil && *p.ApproximateMessagesCount == 0, err
		},
		create: func(ctx context.Context) error {
			_, err := q.Create(ctx, &azqueue.CreateOptions{Metadata: mark})
			return err
		},
		mark: func(ctx context.Context) error {
			_, err := q.SetMetadata(ctx, &azqueue.SetMetadataOptions{Metadata: mark})
			return err
		},
	}
}

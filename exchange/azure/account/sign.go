package account

import (
	"context"
	"errors"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/sas"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/service"

	"mft.dev/mft"
)

const (
	// Skew is by how much a clock may be ahead of that of the storage.
	Skew = 5 * time.Minute
	// keyLife is how long a delegated key is asked for. Short, so that one that
	// was withdrawn is soon followed by a new one.
	keyLife = time.Hour
)

// A signer signs what a grant says.
type signer func(ctx context.Context, v sas.BlobSignatureValues) (sas.QueryParameters, error)

func keySigner(key *service.SharedKeyCredential) signer {
	return func(_ context.Context, v sas.BlobSignatureValues) (sas.QueryParameters, error) {
		return v.SignWithSharedKey(key)
	}
}

func noSigner(context.Context, sas.BlobSignatureValues) (sas.QueryParameters, error) {
	return sas.QueryParameters{}, mft.Fail(mft.CodeNotAllowed, "sign grant", "", errors.New(
		"a SAS cannot make grants, so nothing can be sent with it: use an Entra credential, or the account key"))
}

// A delegation signs with a key that the storage lends to an identity of Entra.
type delegation struct {
	client *service.Client
	turn   chan struct{} // of one: who has put something in uses what is below

	key   *service.UserDelegationCredential
	until time.Time
}

func (d *delegation) sign(ctx context.Context, v sas.BlobSignatureValues) (sas.QueryParameters, error) {
	select {
	case d.turn <- struct{}{}:
		defer func() { <-d.turn }()
	case <-ctx.Done():
		return sas.QueryParameters{}, ctx.Err()
	}
	// A grant cannot outlive its key.
	if d.key == nil || d.until.Before(v.ExpiryTime.Add(time.Minute)) {
		from, until := time.Now().UTC().Add(-Skew).Truncate(time.Second), time.Now().UTC().Add(keyLife).Truncate(time.Second)
		start, expiry := from.Format(sas.TimeFormat), until.Format(sas.TimeFormat)
		key, err := d.client.GetUserDelegationCredential(ctx, service.KeyInfo{Start: &start, Expiry: &expiry}, nil)
		if err != nil {
			return sas.QueryParameters{}, err
		}
		d.key, d.until = key, until
	}
	return v.SignWithUserDelegation(d.key)
}

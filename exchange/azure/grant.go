package azure

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/sas"

	"mft.dev/mft"
	"mft.dev/mft/exchange"
	"mft.dev/mft/exchange/azure/account"
)

// grant signs a right to read one object. The reference has no host: it is read
// at the endpoint that the reader's own configuration names, be it by another
// way than ours, and leads nowhere else.
func (s *Storage) grant(ctx context.Context, name string, life time.Duration) (exchange.Grant, error) {
	fail := func(err error) (exchange.Grant, error) {
		return exchange.Grant{}, account.Failure(ctx, "grant object", name, err)
	}
	now := s.now().UTC()
	until := now.Add(life).Truncate(time.Second)
	v := sas.BlobSignatureValues{
		Protocol:      sas.ProtocolHTTPS,
		StartTime:     now.Add(-account.Skew).Truncate(time.Second),
		ExpiryTime:    until,
		Permissions:   (&sas.BlobPermissions{Read: true}).String(),
		ContainerName: string(s.agent),
		BlobName:      name,
	}
	if s.account.Plain() {
		v.Protocol = sas.ProtocolHTTPSandHTTP
	}
	signed, err := s.account.Sign(ctx, v)
	if err != nil {
		return fail(err)
	}
	ref := v.ContainerName + "/" + name + "?" + signed.Encode()
	if len(ref) > exchange.MaxRef {
		return fail(mft.Fail(mft.CodeTooLarge, "sign grant", "", fmt.Errorf("it has %d bytes, and %d are allowed", len(ref), exchange.MaxRef)))
	}
	return exchange.Grant{Ref: ref, Until: until}, nil
}

// grantFields are what the query of a grant has, each at most once. Others, as
// of a snapshot or of another operation, are refused.
var grantFields = map[string]bool{
	"sv": true, "spr": true, "st": true, "se": true, "sr": true, "sp": true, "sig": true,
	"skoid": true, "sktid": true, "skt": true, "ske": true, "sks": true, "skv": true,
}

// parseRef reads what a peer has granted.
func parseRef(ref string) (containerName, name string, grant url.Values, err error) {
	bad := func(why string) (string, string, url.Values, error) {
		return "", "", nil, mft.Fail(mft.CodeBadPath, "read grant", "", errors.New(why))
	}
	if len(ref) > exchange.MaxRef {
		return bad("it is too long")
	}
	path, rest, _ := strings.Cut(ref, "?")
	containerName, name, _ = strings.Cut(path, "/")
	if account.Fits("read grant", mft.AgentName(containerName)) != nil || exchange.CheckName(name) != nil {
		return bad("it names no object of an agent")
	}
	grant, parseErr := url.ParseQuery(rest)
	if parseErr != nil {
		return bad("its signature cannot be read")
	}
	for field, values := range grant {
		if !grantFields[field] || len(values) != 1 {
			return bad("it says more than a grant may")
		}
	}
	if grant.Get("sr") != "b" || grant.Get("sp") != "r" || grant.Get("sig") == "" || grant.Get("se") == "" {
		return bad("it is not the right to read one object")
	}
	return containerName, name, grant, nil
}

// reader implements exchange.Reader with nothing but the grant.
type reader struct{ *Storage }

// Read implements exchange.Reader.
func (r reader) Read(ctx context.Context, ref string, offset int64, p []byte) error {
	const op = "read granted object"
	containerName, name, grant, err := parseRef(ref)
	if err != nil {
		return err
	}
	subject := containerName + "/" + name
	if offset < 0 {
		return mft.Fail(mft.CodeUsage, op, subject, fmt.Errorf("it has no byte %d", offset))
	}
	if len(p) == 0 {
		return nil
	}
	size := int64(len(p))
	asked := account.WithGrant(r.account.WithSize(ctx, len(p)), grant, size)
	resp, err := r.account.Granted.NewContainerClient(containerName).NewBlobClient(name).DownloadStream(asked, &blob.DownloadStreamOptions{
		Range: blob.HTTPRange{Offset: offset, Count: size},
	})
	if err != nil {
		if ended(err, grant) {
			return mft.Fail(mft.CodeExpired, op, subject, errors.New("the grant has ended or was withdrawn"))
		}
		return account.Failure(ctx, op, subject, err)
	}
	defer resp.Body.Close()
	from := fmt.Sprintf("bytes %d-", offset)
	switch {
	case resp.ContentRange == nil || !strings.HasPrefix(*resp.ContentRange, from):
		return mft.Fail(mft.CodeProtocol, op, subject, errors.New("the storage gives another range than was asked for"))
	case resp.ContentLength != nil && *resp.ContentLength < size:
		return mft.Fail(mft.CodeNotFound, op, subject, fmt.Errorf("it ends before byte %d", offset+size))
	}
	_, err = io.ReadFull(resp.Body, p)
	return account.Failure(ctx, op, subject, err)
}

// ended reports whether the storage refuses a grant because it has ended, by
// its own clock, or was withdrawn, which it tells like a wrong signature. What
// refuses the host of the reader is something else.
func ended(err error, grant url.Values) bool {
	if code := account.Status(err); code != http.StatusForbidden && code != http.StatusUnauthorized {
		return false
	}
	if account.Answered(err, "AuthenticationFailed") {
		return true
	}
	until, bad := time.Parse(sas.TimeFormat, grant.Get("se"))
	return bad == nil && !account.AnsweredAt(err).Before(until)
}

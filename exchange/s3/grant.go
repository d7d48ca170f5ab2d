package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"

	"mft.dev/mft"
	"mft.dev/mft/exchange"
)

// Grant implements exchange.Container. The reference has no host: it is read at
// the endpoint that the reader's own configuration names, and leads nowhere else.
func (o objects) Grant(ctx context.Context, name string, life time.Duration) (exchange.Grant, error) {
	const op = "grant object"
	life, err := exchange.CheckGrant(name, life)
	if err != nil {
		return exchange.Grant{}, err
	}
	if _, err := o.blocks(ctx, name); err != nil {
		return exchange.Grant{}, err
	}
	life = max(life.Truncate(time.Second), time.Second) // it is signed in seconds
	until := time.Now().Add(life)
	signed, err := o.client.PresignedGetObject(ctx, o.config.Bucket, o.key(name), life, nil)
	if err != nil {
		return exchange.Grant{}, Failure(ctx, op, name, err)
	}
	ref := string(o.config.Agent) + "/" + name + "?" + signed.RawQuery
	if len(ref) > exchange.MaxRef {
		return exchange.Grant{}, mft.Fail(mft.CodeTooLarge, op, name,
			fmt.Errorf("it has %d bytes, and %d are allowed: the token of this credential is too long for a letter", len(ref), exchange.MaxRef))
	}
	return exchange.Grant{Ref: ref, Until: until}, nil
}

// The fields of a presigned query.
const (
	fieldAlgorithm = "X-Amz-Algorithm"
	fieldDate      = "X-Amz-Date"
	fieldExpires   = "X-Amz-Expires"
	fieldHeaders   = "X-Amz-SignedHeaders"
	fieldSignature = "X-Amz-Signature"
	fieldKey       = "X-Amz-Credential"
	fieldToken     = "X-Amz-Security-Token"

	dateFormat = "20060102T150405Z"
)

// grantFields are what the query of a grant has, each once; the token only for
// some credentials. Others, as of a version or of another answer, are refused.
var grantFields = map[string]bool{
	fieldAlgorithm: true, fieldDate: true, fieldExpires: true, fieldHeaders: true, fieldSignature: true, fieldKey: true, fieldToken: false,
}

// A grant is a reference that was read.
type grant struct {
	agent mft.AgentName
	name  string
	query url.Values
	until time.Time
}

// parseRef reads what a peer has granted.
func parseRef(ref string) (grant, error) {
	bad := func(why string) (grant, error) {
		return grant{}, mft.Fail(mft.CodeBadPath, "read grant", "", errors.New(why))
	}
	if len(ref) > exchange.MaxRef {
		return bad("it is too long")
	}
	path, rest, _ := strings.Cut(ref, "?")
	agent, name, _ := strings.Cut(path, "/")
	g := grant{agent: mft.AgentName(agent), name: name}
	if _, err := mft.ParseAgentName(agent); err != nil || exchange.CheckName(name) != nil {
		return bad("it names no object of an agent")
	}
	var err error
	if g.query, err = url.ParseQuery(rest); err != nil {
		return bad("its signature cannot be read")
	}
	for field, values := range g.query {
		if _, known := grantFields[field]; !known || len(values) != 1 {
			return bad("it says more than a grant may")
		}
	}
	for field, needed := range grantFields {
		if needed && g.query.Get(field) == "" {
			return bad("it is not the right to read one object")
		}
	}
	from, err := time.Parse(dateFormat, g.query.Get(fieldDate))
	life, nan := strconv.Atoi(g.query.Get(fieldExpires))
	if err != nil || nan != nil || life < 1 || life > int(exchange.MaxGrant/time.Second) ||
		g.query.Get(fieldAlgorithm) != "AWS4-HMAC-SHA256" || g.query.Get(fieldHeaders) != "host" {
		return bad("it is not the right to read one object")
	}
	g.until = from.Add(time.Duration(life) * time.Second)
	return g, nil
}

// reader implements exchange.Reader with nothing but the grant.
type reader struct{ *Storage }

// Read implements exchange.Reader.
func (r reader) Read(ctx context.Context, ref string, offset int64, p []byte) error {
	const op = "read granted object"
	g, err := parseRef(ref)
	if err != nil {
		return err
	}
	subject := string(g.agent) + "/" + g.name
	if offset < 0 {
		return mft.Fail(mft.CodeUsage, op, subject, fmt.Errorf("it has no byte %d", offset))
	}
	if len(p) == 0 {
		return nil
	}
	resp, err := r.get(ctx, g, fmt.Sprintf("bytes=%d-%d", offset, offset+int64(len(p))-1))
	if err != nil {
		return Failure(ctx, op, subject, err)
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode != http.StatusPartialContent:
		return refused(ctx, op, subject, g, resp)
	case !strings.HasPrefix(resp.Header.Get("Content-Range"), fmt.Sprintf("bytes %d-", offset)):
		return mft.Fail(mft.CodeProtocol, op, subject, errors.New("the storage gives another range than was asked for"))
	case resp.ContentLength >= 0 && resp.ContentLength < int64(len(p)):
		return mft.Fail(mft.CodeNotFound, op, subject, fmt.Errorf("it ends before byte %d", offset+int64(len(p))))
	}
	_, err = io.ReadFull(resp.Body, p)
	return Failure(ctx, op, subject, err)
}

// get asks for a range with nothing but the grant. Where the object is says the
// library, which is asked for a grant of ours: all but the signature of it.
func (r reader) get(ctx context.Context, g grant, span string) (*http.Response, error) {
	u, err := r.client.PresignedGetObject(ctx, r.config.Bucket, r.Storage.key(g.agent, g.name), time.Minute, nil)
	if err != nil {
		return nil, err
	}
	u.RawQuery = g.query.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, errors.New("the grant makes no URL")
	}
	req.Header.Set("Range", span)
	return r.granted.Do(req)
}

// refused says why the storage does not give what was granted. That the grant
// has ended is told by the clock of the storage; a signature that it does not
// take any more is one whose key was changed, and a new grant mends that.
func refused(ctx context.Context, op, subject string, g grant, resp *http.Response) error {
	answer := answerOf(resp)
	at, err := http.ParseTime(resp.Header.Get("Date"))
	late := err == nil && !at.Before(g.until)
	if resp.StatusCode == http.StatusForbidden && late ||
		answered(answer, "SignatureDoesNotMatch", "InvalidAccessKeyId", "ExpiredToken", "InvalidToken") {
		return mft.Fail(mft.CodeExpired, op, subject, errors.New("the grant has ended or was withdrawn"))
	}
	if resp.StatusCode < 300 {
		return mft.Fail(mft.CodeProtocol, op, subject, errors.New("the storage gives another range than was asked for"))
	}
	return Failure(ctx, op, subject, answer)
}

// answerOf reads the error that a response tells, of which no more is believed
// than its code.
func answerOf(resp *http.Response) error {
	answer := minio.ErrorResponse{StatusCode: resp.StatusCode}
	body, _ := io.ReadAll(io.LimitReader(resp.Body, 8<<10)) // what is cut has no code
	if _, rest, found := strings.Cut(string(body), "<Code>"); found {
		answer.Code, _, _ = strings.Cut(rest, "</Code>")
	}
	return answer
}

package s3

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/minio/minio-go/v7"

	"mft.dev/mft"
	"mft.dev/mft/exchange/probe"
)

const (
	giveRights = "give this agent the policy that `mft exchange setup --print-roles` prints"
	takeRights = "give this agent the policy that `mft exchange setup --print-roles` prints and no other"
)

// Check tries what this agent must be able to do in the bucket, and what it must
// not, with one peer; with the peer "", only what is its own. It removes what it
// makes.
func (s *Storage) Check(ctx context.Context, peer mft.AgentName) []probe.Finding {
	c := &checker{s: s, ctx: ctx}
	if !c.Must("find the bucket "+s.config.Bucket, "run `mft exchange setup`, or make the bucket; "+giveRights, Failure(ctx, "find", "bucket", s.look(ctx, s.config.Agent))) {
		return c.Found
	}
	c.Container(ctx, s.Exchange(), giveRights, c.meanwhile)
	if peer != "" && peer != s.config.Agent {
		c.with(peer)
	}
	return c.Found
}

type checker struct {
	probe.Log
	s   *Storage
	ctx context.Context // of one call of Check
}

// meanwhile tries what must not be possible with an object that is there.
func (c *checker) meanwhile(name string) {
	key := c.s.key(c.s.config.Agent, name)
	c.MustNot("read it without any right", "take the public access from the bucket", c.open(key))
	err := c.over(key)
	switch mft.CodeOf(err) {
	case mft.CodeOK:
		// Whether the object is there is asked first; only two agents of one name, at
		// the same moment, could replace one by the other.
		c.Note(true, "publish over it", "it is allowed: this storage does not know the condition that nothing has the name (If-None-Match); "+
			"use it for no agents that share a name (shared: true)", "")
	case mft.CodeExists:
		c.Note(true, "publish over it", "refused, as it must be", "")
	default:
		c.Must("publish over it", giveRights, err)
	}
}

// open asks for an object with no credential.
func (c *checker) open(key string) error {
	u, err := c.s.client.PresignedGetObject(c.ctx, c.s.config.Bucket, key, time.Minute, nil)
	if err != nil {
		return Failure(c.ctx, "read", "", err)
	}
	u.RawQuery = ""
	req, err := http.NewRequestWithContext(c.ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return Failure(c.ctx, "read", "", err)
	}
	resp, err := c.s.granted.Do(req)
	if err != nil {
		return Failure(c.ctx, "read", "", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode < 300 {
		return nil
	}
	return Failure(c.ctx, "read", "", answerOf(resp))
}

// over completes a second upload of an object that is there.
func (c *checker) over(key string) error {
	bucket, body := c.s.config.Bucket, []byte("mft check")
	id, err := c.s.core.NewMultipartUpload(c.ctx, bucket, key, minio.PutObjectOptions{})
	if err != nil {
		return Failure(c.ctx, "begin upload", "", err)
	}
	part, err := c.s.core.PutObjectPart(c.ctx, bucket, key, id, 1, bytes.NewReader(body), int64(len(body)), minio.PutObjectPartOptions{
		Md5Base64: digest(body),
	})
	if err != nil {
		return Failure(c.ctx, "stage block", "", err)
	}
	var options minio.PutObjectOptions
	options.SetMatchETagExcept("*")
	_, err = c.s.core.CompleteMultipartUpload(c.ctx, bucket, key, id, []minio.CompletePart{{PartNumber: 1, ETag: part.ETag}}, options)
	return Failure(c.ctx, "publish", "", err)
}

func (c *checker) with(peer mft.AgentName) {
	name := probe.Name()
	key := c.s.key(peer, name)
	c.MustNot(fmt.Sprintf("list the container of %s", peer), takeRights, Failure(c.ctx, "list", "", c.s.look(c.ctx, peer)))
	_, err := c.s.client.StatObject(c.ctx, c.s.config.Bucket, key, minio.StatObjectOptions{})
	if answered(err, "NoSuchKey") {
		err = nil // who is told that something is not there may look
	}
	c.MustNot(fmt.Sprintf("read an object of %s", peer), takeRights, Failure(c.ctx, "read", "", err))
	id, err := c.s.core.NewMultipartUpload(c.ctx, c.s.config.Bucket, key, minio.PutObjectOptions{})
	c.MustNot(fmt.Sprintf("write into the container of %s", peer), takeRights, Failure(c.ctx, "begin upload", "", err))
	if err == nil {
		err = c.s.core.AbortMultipartUpload(context.WithoutCancel(c.ctx), c.s.config.Bucket, key, id)
		c.Must("remove what this check has begun there", "abort the upload by hand: "+key, Failure(c.ctx, "remove", "", err))
	}
}

// Policy returns what an agent needs in the bucket, and no more, as a policy of
// IAM. It needs no connection.
func Policy(c Config) (string, error) {
	if _, err := mft.ParseAgentName(string(c.Agent)); err != nil {
		return "", mft.Fail(mft.CodeBadName, "print rights of", string(c.Agent), err)
	}
	bucket := "arn:aws:s3:::" + c.Bucket
	own := c.Prefix + string(c.Agent) + "/"
	type statement struct {
		Sid, Effect string
		Action      []string
		Resource    string
		Condition   map[string]map[string][]string `json:",omitempty"`
	}
	text, err := json.MarshalIndent(struct {
		Version   string
		Statement []statement
	}{"2012-10-17", []statement{
		{"MftObjects", "Allow", []string{"s3:PutObject", "s3:GetObject", "s3:DeleteObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"}, bucket + "/" + own + "*", nil},
		{
			"MftList", "Allow",
			[]string{"s3:ListBucket", "s3:ListBucketMultipartUploads"},
			bucket,
			map[string]map[string][]string{"StringLike": {"s3:prefix": {own + "*"}}},
		},
	}}, "", "  ")
	return string(text) + "\n", err
}

package azure

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azqueue/v2"

	"mft.dev/mft"
	"mft.dev/mft/exchange"
	"mft.dev/mft/exchange/azure/account"
	"mft.dev/mft/exchange/probe"
	"mft.dev/mft/exchange/response"
)

// Check tries what this agent must be able to do, and what it must not, with
// one peer; with the peer "", only what is its own. It touches no letter and no
// object of others and removes what it makes. A letter that it may not remove
// from the queue of the peer, which is as it must be, is never seen there and
// ends after half a minute.
func (s *Storage) Check(ctx context.Context, peer mft.AgentName) []probe.Finding {
	c, ok := s.checker(ctx, peer)
	if !ok {
		return c.Found
	}
	c.ownQueue()
	c.ownContainer()
	c.ownKeys()
	if peer != "" && peer != s.agent {
		c.peerQueue()
		c.peerContainer()
		c.peerKeys()
	}
	return c.Found
}

// CheckContainer is Check for containers alone, where queues and keys lie
// elsewhere.
func (s *Storage) CheckContainer(ctx context.Context, peer mft.AgentName) []probe.Finding {
	c, ok := s.checker(ctx, peer)
	if !ok {
		return c.Found
	}
	c.ownContainer()
	if peer != "" && peer != s.agent {
		c.peerContainer()
	}
	return c.Found
}

// checker begins a check. It reports false when there is nothing to try.
func (s *Storage) checker(ctx context.Context, peer mft.AgentName) (*checker, bool) {
	c := &checker{s: s, ctx: ctx, peer: peer, name: probe.Name()}
	if peer != "" {
		if err := account.Fits("check storage with", peer); err != nil {
			c.Note(false, "read the name of the peer", err.Error(), mft.CodeOf(err).Remedy())
			return c, false
		}
	}
	return c, true
}

// A checker collects findings.
type checker struct {
	probe.Log
	s    *Storage
	ctx  context.Context // of one call of Check
	peer mft.AgentName
	name string // of what is made
}

// must is Must for what the SDK reports.
func (c *checker) must(what, remedy string, err error) bool {
	return c.Must(what, remedy, account.Failure(c.ctx, what, "", err))
}

// mustNot is MustNot for what the SDK reports. What is not there is the peer's to
// set up.
func (c *checker) mustNot(what, remedy string, err error) {
	err = account.Failure(c.ctx, what, "", err)
	if mft.CodeOf(err) == mft.CodeNotFound {
		c.Note(false, what, "it could not be tried: "+err.Error(), "set up the storage on the host of the peer, then check again")
		return
	}
	c.MustNot(what, remedy, err)
}

// hidden puts a letter that nobody sees and that ends after life seconds.
func (c *checker) hidden(to mft.AgentName, life int32) (*exchange.Letter, error) {
	unseen := life - 1
	resp, err := queue{c.s}.of(to).EnqueueMessage(c.ctx, "bWZ0LWNoZWNr", &azqueue.EnqueueMessageOptions{TimeToLive: &life, VisibilityTimeout: &unseen})
	if err != nil {
		return nil, err
	}
	if len(resp.Messages) != 1 || resp.Messages[0].MessageID == nil || resp.Messages[0].PopReceipt == nil {
		return nil, mft.Fail(mft.CodeProtocol, "put letter", string(to), errors.New("the storage gives no receipt"))
	}
	return &exchange.Letter{ID: *resp.Messages[0].MessageID, Claim: *resp.Messages[0].PopReceipt, Body: []byte("mft-check")}, nil
}

func (c *checker) ownQueue() {
	const role = "assign Storage Queue Data Contributor on the queue of this agent; a SAS needs r, a, u and p; is the queue set up?"
	letter, err := c.hidden(c.s.agent, 120)
	if !c.must("put a letter into the own queue", role, err) {
		return
	}
	ctx, stop := probe.Later(c.ctx)
	defer stop()
	c.must("renew a letter in the own queue", role, queue{c.s}.Renew(c.ctx, letter, time.Minute))
	c.must("take and remove a letter from the own queue", role, queue{c.s}.Remove(ctx, letter))
}

func (c *checker) peerQueue() {
	const remedy = "assign no more than Storage Queue Data Message Sender on the queues of others, or a SAS with a alone; an account key or an account SAS always allows more"
	letter, err := c.hidden(c.peer, 30)
	put := c.must(fmt.Sprintf("put a letter into the queue of %s", c.peer),
		"assign Storage Queue Data Message Sender on the queue of the peer; a SAS needs a; has the peer set up its queue?", err)
	one := int32(1)
	_, err = queue{c.s}.of(c.peer).PeekMessages(c.ctx, &azqueue.PeekMessagesOptions{NumberOfMessages: &one})
	c.mustNot(fmt.Sprintf("look into the queue of %s", c.peer), remedy, err)
	if put {
		ctx, stop := probe.Later(c.ctx)
		defer stop()
		_, err = queue{c.s}.of(c.peer).DeleteMessage(ctx, letter.ID, letter.Claim, nil)
		c.mustNot(fmt.Sprintf("remove a letter from the queue of %s", c.peer), remedy, err)
	}
}

func (c *checker) ownContainer() {
	const role = "assign Storage Blob Data Contributor on the container of this agent; a SAS needs r, a, c, w, d and l; is the container set up?"
	props, err := c.s.own().GetProperties(c.ctx, nil)
	if c.must("look at the own container", role, err) {
		owner := metadata(props.Metadata, ownerKey)
		c.Note(owner == string(c.s.agent), "the own container is marked as that of this agent", fmt.Sprintf("its metadata says agent=%s", response.Word(owner)),
			"set up the storage (it marks an empty container), or set the metadata by hand")
		c.Note(props.BlobPublicAccess == nil, "the own container is private", "public access is looked at", "set the public access of the container to none")
		c.clock(props.Date)
	}
	o, body := objects{c.s}, []byte("mft check")
	err = o.Stage(c.ctx, c.name, 0, body)
	if err == nil {
		err = o.Publish(c.ctx, c.name, 1)
	}
	published := c.must("publish an object in the own container", role, err)
	ctx, stop := probe.Later(c.ctx)
	defer stop()
	if published {
		c.grants(body)
	}
	c.must("list the own container", role, o.List(c.ctx, func(exchange.Object) bool { return false }))
	if published {
		c.must("remove an object from the own container", role, o.Remove(ctx, c.name))
	} else {
		_ = o.Remove(ctx, c.name) // of what was staged, if anything was
	}
}

func (c *checker) grants(body []byte) {
	grant, err := objects{c.s}.Grant(c.ctx, c.name, time.Minute)
	remedy := "assign Storage Blob Delegator on the storage account"
	if c.s.account.Config.OnlySAS() {
		remedy = "use an Entra credential (managed identity, workload identity, certificate); with a SAS this agent can only receive"
	}
	if c.must("grant an object of the own container", remedy, err) {
		got := make([]byte, len(body))
		err := reader{c.s}.Read(c.ctx, grant.Ref, 0, got)
		if err == nil && !bytes.Equal(got, body) {
			err = mft.Fail(mft.CodeCorrupt, "read granted object", c.name, nil)
		}
		c.must("read an object by its grant alone", "see whether the clock of this host is right and whether the account allows the SAS that is used", err)
	}
	_, err = c.s.account.Granted.NewContainerClient(string(c.s.agent)).NewBlobClient(c.name).GetProperties(c.ctx, nil)
	if account.Status(err) == 404 || account.Status(err) == 409 {
		err = mft.Fail(mft.CodeNotAllowed, "read without a right", "", nil) // how storage refuses strangers
	}
	c.mustNot("read an object without any right", "set the public access of the container to none", err)
}

// clock compares the clock of this host with that of the storage.
func (c *checker) clock(theirs *time.Time) {
	if theirs == nil {
		return
	}
	off := c.s.now().Sub(*theirs).Round(time.Second)
	c.Note(off.Abs() < account.Skew, "the clock of this host agrees with that of the storage", fmt.Sprintf("it is off by %v", off),
		"set the clock of this host: grants are valid by the clock of the storage")
}

func (c *checker) ownKeys() {
	const role = "assign the role that writes statements on the container publickeys, with its condition, and Storage Blob Data Reader; a SAS needs r, a, c, w, d and l"
	k := keys{c.s}
	body := []byte("mft check")
	if c.must("publish a statement of the own key", role, k.Publish(c.ctx, c.name, body)) {
		ctx, stop := probe.Later(c.ctx)
		defer stop()
		name := string(c.s.agent) + "/" + c.name
		_, err := k.read(c.ctx, name)
		c.must("read a statement of the own key", role, err)
		_, err = c.s.container(keysContainer).NewBlobClient(name).Delete(ctx, nil)
		c.must("remove a statement of the own key", role, err)
	}
}

func (c *checker) peerKeys() {
	_, err := keys{c.s}.Statements(c.ctx, c.peer)
	c.must(fmt.Sprintf("read the statements of %s", c.peer), "assign Storage Blob Data Reader on the container publickeys; a SAS needs r and l", err)
	name := string(c.peer) + "/" + c.name
	blob := c.s.container(keysContainer).NewBlockBlobClient(name)
	_, err = blob.Upload(c.ctx, streaming.NopCloser(bytes.NewReader([]byte("mft check"))), &blockblob.UploadOptions{AccessConditions: noneYet()})
	c.mustNot(fmt.Sprintf("publish a statement in the name of %s", c.peer),
		"put the condition on the role assignment that lets this agent write statements; a SAS of the container publickeys cannot be limited to one agent", err)
	if err == nil {
		ctx, stop := probe.Later(c.ctx)
		defer stop()
		_, err = blob.Delete(ctx, nil)
		c.must("remove what this check has made in the name of the peer", "remove it by hand: publickeys/"+name, err)
	}
}

func (c *checker) peerContainer() {
	const remedy = "assign nothing on the containers of others; an account key or an account SAS always allows it"
	theirs := c.s.container(string(c.peer))
	one := int32(1)
	_, err := theirs.NewListBlobsFlatPager(&container.ListBlobsFlatOptions{MaxResults: &one}).NextPage(c.ctx)
	c.mustNot(fmt.Sprintf("list the container of %s", c.peer), remedy, err)

	_, err = theirs.NewBlobClient(c.name).GetProperties(c.ctx, nil)
	if account.Answered(err, "BlobNotFound") {
		err = nil // who is told that something is not there may look
	}
	c.mustNot(fmt.Sprintf("read an object of %s", c.peer), remedy, err)

	blob := theirs.NewBlockBlobClient(c.name)
	_, err = blob.Upload(c.ctx, streaming.NopCloser(bytes.NewReader(nil)), &blockblob.UploadOptions{AccessConditions: noneYet()})
	c.mustNot(fmt.Sprintf("write into the container of %s", c.peer), remedy, err)
	if err == nil {
		ctx, stop := probe.Later(c.ctx)
		defer stop()
		_, err = blob.Delete(ctx, nil)
		c.must("remove what this check has made in the container of the peer", "remove it by hand: "+string(c.peer)+"/"+c.name, err)
	}
}

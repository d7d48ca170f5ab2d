// Package account opens a storage account of Azure: where it is, with what one
// credential, how long a request may take and how long its answer may be, and
// what its errors mean.
//
// Secrets do not leave the package: [Failure] puts what the SDK reports in other
// words, without queries, headers and bodies. The default chain of credentials
// is never used, redirects are not followed.
package account

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/sas"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/service"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azqueue/v2"

	"mft.dev/mft"
)

// KeysContainer is the container of all agents' statements of their keys.
const KeysContainer = "publickeys"

// Config says which storage, as whom, and with what right.
type Config struct {
	// Agent is this agent. Its name must be one that a container may have.
	Agent mft.AgentName
	// Account is the name of the storage account.
	Account string
	// Suffix is the domain of the cloud, "core.windows.net" when empty.
	Suffix string
	// BlobURL and QueueURL take the place of https://ACCOUNT.blob.SUFFIX and
	// https://ACCOUNT.queue.SUFFIX, both or none: for names of a private link,
	// and for the emulator (http://127.0.0.1:10000/devstoreaccount1), which is
	// the only one that may be without TLS.
	BlobURL, QueueURL string
	// Authority is the URL of Entra when Suffix is that of no cloud known here.
	Authority string
	// Credential is with what right.
	Credential Credential
	// Poll is how often an empty queue is asked when nothing has been said for
	// five minutes, 2 s when 0; before, it is asked more often. A call of Take asks for 20 s, or
	// once when Poll is below 0.
	Poll time.Duration
}

// An Account is an open storage account, for one agent. Its methods may be
// called by several goroutines at once.
type Account struct {
	// Config is what it was opened with.
	Config Config
	// Blobs and Queues use the credential.
	Blobs  *service.Client
	Queues *azqueue.ServiceClient
	// Granted uses nothing but the grant that the context has, see WithGrant.
	Granted *service.Client

	place  place
	sign   signer
	retry  policy.RetryOptions
	client *http.Client
}

// Parts takes the place of what Open makes itself. It is for tests.
type Parts struct {
	Token     azcore.TokenCredential
	Transport http.RoundTripper
	Retry     *policy.RetryOptions
}

// Open makes an Account. It reads the secrets that are needed at once, and asks
// nobody. Errors have CodeConfig, or CodeBadName for the name of the agent.
func Open(c Config, p Parts) (*Account, error) {
	if err := Fits("open storage as", c.Agent); err != nil {
		return nil, err
	}
	kind, err := c.Credential.kind()
	if err != nil {
		return nil, err
	}
	where, err := c.place()
	if err != nil {
		return nil, err
	}
	if kind.entra() && where.tokenHost() != c.Account {
		return nil, misfit("open storage", where.blob.Host,
			fmt.Errorf("with an Entra credential the host must begin with the name of the account, %q: grants are signed for that", c.Account))
	}
	if p.Transport == nil {
		p.Transport = newTransport()
	}
	a := &Account{Config: c, place: where, client: newClient(p.Transport)}
	options := clientOptions(a.client, p.Retry)
	a.retry = options.Retry
	if err := a.connect(kind, p.Token, options); err != nil {
		a.Close()
		return nil, err
	}
	return a, nil
}

// Close lets go of idle connections.
func (a *Account) Close() { a.client.CloseIdleConnections() }

// Plain reports whether the storage is without TLS, as only the emulator may be.
func (a *Account) Plain() bool { return a.place.plain() }

// Sign signs a grant. It asks the storage for a key when the credential is one of
// Entra and there is no key that lasts as long as the grant. With a SAS it
// fails with CodeNotAllowed. Other errors are for Failure.
func (a *Account) Sign(ctx context.Context, v sas.BlobSignatureValues) (sas.QueryParameters, error) {
	return a.sign(ctx, v)
}

// OnlySAS reports whether the credential is a SAS, which makes no grants.
func (c Config) OnlySAS() bool { return c.Credential.SAS != nil }

// Notes says what an operator should know of this configuration: nothing when
// all is well.
func (c Config) Notes() []string {
	var out []string
	switch kind, _ := c.Credential.kind(); kind {
	case byKey:
		out = append(out, "the account key opens everything in the storage account to this agent, the queues and containers of all others too; "+
			"use a managed identity, a workload identity or a certificate")
	case bySAS:
		out = append(out, "a SAS cannot make grants, so this agent can receive through the exchange and not send")
		if c.Credential.SAS.Account != nil {
			out = append(out, "an account SAS opens the queues and containers of all agents to this one; use one SAS for each container and queue")
		}
	case bySecret:
		out = append(out, "a client secret can be copied unnoticed; use a managed identity, a workload identity or a certificate")
	}
	return out
}

// Fits refuses agents whose name no container can have, with CodeBadName.
func Fits(op string, agent mft.AgentName) error {
	if _, err := mft.ParseAgentName(string(agent)); err != nil {
		return mft.Fail(mft.CodeBadName, op, string(agent), err)
	}
	if len(agent) < 3 {
		return mft.Fail(mft.CodeBadName, op, string(agent), errors.New(
			"names of containers and queues have at least 3 characters: give the agent a longer name, or reach it directly (`path: direct`)"))
	}
	return nil
}

func misfit(op, subject string, why error) error { return mft.Fail(mft.CodeConfig, op, subject, why) }

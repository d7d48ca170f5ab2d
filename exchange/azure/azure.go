// Package azure keeps an exchange in Azure Storage: a container and a queue for
// each agent, named like the agent, and the container "publickeys" beside them
// with a directory for each.
//
// [New] makes a [Storage] of an open account; package account says where that is
// and with what credential. [Storage.Exchange] is what package exchange
// describes, [Storage.Setup] makes what is missing, and [Storage.Check] proves
// by trying that this agent may do what it must and nothing more. Package roles
// prints the role assignments.
//
// A grant is read at the endpoint of this agent's own configuration, whatever
// it says: it leads nowhere else.
package azure

import (
	"math"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"

	"mft.dev/mft"
	"mft.dev/mft/exchange"
	"mft.dev/mft/exchange/azure/account"
)

const (
	keysContainer = account.KeysContainer
	// ownerKey is the metadata that says whose a container or queue is.
	ownerKey = "agent"

	maxBlock  = min(4000<<20, math.MaxInt) // of Put Block, where an int holds it
	maxBlocks = 50_000                     // of Put Block List
)

// Storage is one storage account as one agent sees it. Its methods may be
// called by several goroutines at once.
type Storage struct {
	account *account.Account
	agent   mft.AgentName
	rhythm  *rhythm
	now     func() time.Time
}

// New makes a Storage of an account, which the caller closes.
func New(a *account.Account) *Storage {
	every := a.Config.Poll
	if every == 0 {
		every = pollEvery
	}
	return &Storage{account: a, agent: a.Config.Agent, rhythm: newRhythm(every, time.Now()), now: time.Now}
}

// Exchange returns the storage as package exchange describes it.
func (s *Storage) Exchange() exchange.Exchange {
	return exchange.Exchange{
		Queue:     queue{s},
		Container: objects{s},
		Reader:    reader{s},
		Keys:      keys{s},
		Sizes:     sizes,
	}
}

var sizes = exchange.Sizes{MinBlock: 1, MaxBlock: maxBlock, MaxBlocks: maxBlocks}

// container returns a client for a container of the account.
func (s *Storage) container(name string) *container.Client {
	return s.account.Blobs.NewContainerClient(name)
}

// own returns the container of this agent.
func (s *Storage) own() *container.Client { return s.container(string(s.agent)) }

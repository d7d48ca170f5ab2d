// Package roles writes down which role assignments an agent needs in Azure, as
// commands of the Azure CLI and as Bicep: its own queue and container, adding to
// the queues of its peers, reading everybody's statements of keys, and writing
// its own.
//
// It asks nobody and assigns nothing.
package roles

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"

	"mft.dev/mft"
)

// Wanted is what is to be allowed.
type Wanted struct {
	// Agent is who shall be allowed it, and Peers whom it sends to or answers.
	Agent mft.AgentName
	Peers []mft.AgentName
	// Account, ResourceGroup and Subscription say which storage account.
	Account, ResourceGroup, Subscription string
	// Principal is the object id of the agent's identity. It may be empty, for
	// somebody to put it in.
	Principal string
	// ContainersOnly says that queues and keys lie elsewhere.
	ContainersOnly bool
}

// A role of Azure, by its name and its id.
type role struct{ name, id string }

var (
	// Renewing the lease of a letter is an update, which the role of a message
	// processor does not allow.
	queueContributor = role{"Storage Queue Data Contributor", "974c5e8b-45b9-4653-ba55-5f855dd0fb88"}
	queueSender      = role{"Storage Queue Data Message Sender", "c6a89b2d-59bc-44d0-9896-0f6e12d7b80a"}
	blobContributor  = role{"Storage Blob Data Contributor", "ba92f5b4-2d11-453d-a403-e96b0029c9fe"}
	blobReader       = role{"Storage Blob Data Reader", "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1"}
	blobDelegator    = role{"Storage Blob Delegator", "db58b8e5-c6ad-4a2a-8342-4190687cbf4a"}
	// No role of Azure's writes blobs without the right to delete their
	// container, which no condition can take away: so this one is made.
	keyPublisher = role{"mft key publisher", ""}
)

// A kind is what a role is assigned on.
type kind int

const (
	onAccount kind = iota
	onContainer
	onQueue
)

// An assignment is one role on one thing.
type assignment struct {
	why       string
	role      role
	on        kind
	name      string // of the container or queue
	condition string
}

const keysContainer = "publickeys"

// assignments returns what an agent needs, in a fixed order.
func (w Wanted) assignments() []assignment {
	own := string(w.Agent)
	objects := []assignment{
		{"Put and remove the objects that this agent sends.", blobContributor, onContainer, own, ""},
		{"Grant one object to one peer for minutes. It allows nothing that the agent itself may not.", blobDelegator, onAccount, "", ""},
	}
	if w.ContainersOnly {
		return objects
	}
	out := []assignment{
		{"Take, renew and remove the letters to this agent.", queueContributor, onQueue, own, ""},
	}
	for _, p := range w.peers() {
		out = append(out, assignment{fmt.Sprintf("Put letters to %s, and see none of them.", p), queueSender, onQueue, string(p), ""})
	}
	return append(append(out, objects...),
		assignment{"Read everybody's statements of their keys.", blobReader, onContainer, keysContainer, ""},
		assignment{"Publish this agent's own statements, and those of nobody else.", keyPublisher, onContainer, keysContainer, condition(own)},
	)
}

// containers returns those that the agent uses.
func (w Wanted) containers() []string {
	if w.ContainersOnly {
		return []string{string(w.Agent)}
	}
	return []string{string(w.Agent), keysContainer}
}

// peers returns each of the others once.
func (w Wanted) peers() []mft.AgentName {
	var out []mft.AgentName
	for _, p := range w.Peers {
		if p != w.Agent && !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	return out
}

// condition lets writing and deleting through below a directory only.
func condition(agent string) string {
	const blobs = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs"
	return fmt.Sprintf("((!(ActionMatches{'%[1]s/write'}) AND !(ActionMatches{'%[1]s/add/action'}) AND !(ActionMatches{'%[1]s/delete'}))"+
		" OR (@Resource[%[1]s:path] StringStartsWith '%[2]s/'))", blobs, agent)
}

// The forms of names, made when they are first needed: each process of an agent starts with
// this package.
var (
	accountName = form(`^[a-z0-9]{3,24}$`)
	groupName   = form(`^[A-Za-z0-9_()-](?:[A-Za-z0-9_.()-]{0,88}[A-Za-z0-9_()-])?$`)
	guid        = form(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)
)

func form(pattern string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(pattern) })
}

// check refuses what would not be what it seems in a script. Errors have
// CodeUsage or CodeBadName.
func (w Wanted) check() error {
	for _, name := range append([]mft.AgentName{w.Agent}, w.Peers...) {
		if _, err := mft.ParseAgentName(string(name)); err != nil {
			return err
		}
		if len(name) < 3 {
			return mft.Fail(mft.CodeBadName, "write role assignments for", string(name), errors.New("names of containers and queues have at least 3 characters"))
		}
	}
	bad := func(what, value string) error {
		return mft.Fail(mft.CodeUsage, "write role assignments", value, fmt.Errorf("it is no %s", what))
	}
	switch {
	case !accountName().MatchString(w.Account):
		return bad("name of a storage account", w.Account)
	case !groupName().MatchString(w.ResourceGroup):
		return bad("name of a resource group", w.ResourceGroup)
	case !guid().MatchString(w.Subscription):
		return bad("id of a subscription", w.Subscription)
	case w.Principal != "" && !guid().MatchString(w.Principal):
		return bad("object id of an identity", w.Principal)
	}
	return nil
}

// identifier makes a name of Bicep of one of ours.
func identifier(parts ...string) string {
	var b strings.Builder
	for i, p := range parts {
		for j, word := range strings.Split(p, "-") {
			if word != "" && i+j > 0 {
				word = strings.ToUpper(word[:1]) + word[1:]
			}
			b.WriteString(word)
		}
	}
	return b.String()
}

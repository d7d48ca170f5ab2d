package roles

import (
	"fmt"
	"strings"
)

// Bicep returns a module that makes the queue and the containers of an agent in
// an account that is there, and assigns its roles. It is deployed to the
// resource group of the account. Errors have CodeUsage or CodeBadName.
func (w Wanted) Bicep() (string, error) {
	if err := w.check(); err != nil {
		return "", err
	}
	m := &module{wanted: w}
	m.head()
	m.storage()
	if !w.ContainersOnly {
		m.publisher()
	}
	for _, a := range w.assignments() {
		m.assign(a)
	}
	return m.String(), nil
}

// A module is Bicep that is being written.
type module struct {
	strings.Builder
	wanted Wanted
}

func (m *module) line(format string, args ...any) { fmt.Fprintf(m, format+"\n", args...) }

func (m *module) head() {
	w := m.wanted
	m.line("// What the agent %s needs in the storage account %s, and nothing more.", w.Agent, w.Account)
	m.line("// az deployment group create --subscription %s --resource-group %s --template-file FILE", w.Subscription, quoteName(w.ResourceGroup))
	m.line("targetScope = 'resourceGroup'")
	m.line("")
	m.line("@description('The object id of the identity of the agent.')")
	if w.Principal == "" {
		m.line("param principal string")
	} else {
		m.line("param principal string = '%s'", w.Principal)
	}
	m.line("")
	m.line("resource account 'Microsoft.Storage/storageAccounts@2023-05-01' existing = {")
	m.line("  name: '%s'", w.Account)
	m.line("}")
}

// storage declares what the agent owns, and what its peers do as there already.
func (m *module) storage() {
	own := string(m.wanted.Agent)
	m.service("blobs", "blobServices")
	if m.wanted.ContainersOnly {
		m.resource(onContainer, own, own)
		return
	}
	m.service("queues", "queueServices")
	m.resource(onContainer, own, own)
	m.resource(onContainer, keysContainer, "")
	m.resource(onQueue, own, own)
	for _, p := range m.wanted.peers() {
		m.existing(onQueue, string(p))
	}
}

func (m *module) service(symbol, kind string) {
	m.line("")
	m.line("resource %s 'Microsoft.Storage/storageAccounts/%s@2023-05-01' existing = {", symbol, kind)
	m.line("  parent: account")
	m.line("  name: 'default'")
	m.line("}")
}

// of returns the type of a thing, its parent, and the name that it has here.
func of(k kind, name string) (typ, parent, symbol string) {
	if k == onQueue {
		return "queueServices/queues", "queues", identifier("queue", name)
	}
	return "blobServices/containers", "blobs", identifier("container", name)
}

func (m *module) resource(k kind, name, owner string) {
	typ, parent, symbol := of(k, name)
	m.line("")
	m.line("resource %s 'Microsoft.Storage/storageAccounts/%s@2023-05-01' = {", symbol, typ)
	m.line("  parent: %s", parent)
	m.line("  name: '%s'", name)
	m.line("  properties: {")
	if k == onContainer {
		m.line("    publicAccess: 'None'")
	}
	if owner != "" {
		m.line("    metadata: {")
		m.line("      agent: '%s'", owner)
		m.line("    }")
	}
	m.line("  }")
	m.line("}")
}

func (m *module) existing(k kind, name string) {
	typ, parent, symbol := of(k, name)
	m.line("")
	m.line("resource %s 'Microsoft.Storage/storageAccounts/%s@2023-05-01' existing = {", symbol, typ)
	m.line("  parent: %s", parent)
	m.line("  name: '%s'", name)
	m.line("}")
}

func (m *module) publisher() {
	m.line("")
	m.line("// A role that writes blobs and cannot touch their container; one for all agents.")
	m.line("resource publisher 'Microsoft.Authorization/roleDefinitions@2022-04-01' = {")
	m.line("  name: guid(account.id, '%s')", keyPublisher.name)
	m.line("  properties: {")
	m.line("    roleName: '%s'", m.wanted.publisherName())
	m.line("    description: '%s'", publisherText)
	m.line("    type: 'CustomRole'")
	m.line("    permissions: [")
	m.line("      {")
	m.line("        actions: []")
	m.line("        dataActions: [")
	for _, a := range publisherActions {
		m.line("          '%s'", a)
	}
	m.line("        ]")
	m.line("      }")
	m.line("    ]")
	m.line("    assignableScopes: [")
	m.line("      resourceGroup().id")
	m.line("    ]")
	m.line("  }")
	m.line("}")
}

func (m *module) assign(a assignment) {
	scope := "account"
	if a.on != onAccount {
		_, _, scope = of(a.on, a.name)
	}
	definition := "publisher.id"
	if a.role.id != "" {
		definition = fmt.Sprintf("subscriptionResourceId('Microsoft.Authorization/roleDefinitions', '%s')", a.role.id)
	}
	m.line("")
	m.line("// %s (%s)", a.why, a.role.name)
	m.line("resource %s 'Microsoft.Authorization/roleAssignments@2022-04-01' = {", identifier("assign", scope, strings.ReplaceAll(strings.ToLower(a.role.name), " ", "-")))
	m.line("  name: guid(%s.id, principal, %s)", scope, definition)
	m.line("  scope: %s", scope)
	m.line("  properties: {")
	m.line("    principalId: principal")
	m.line("    principalType: 'ServicePrincipal'")
	m.line("    roleDefinitionId: %s", definition)
	if a.condition != "" {
		m.line("    conditionVersion: '2.0'")
		m.line("    condition: '%s'", strings.ReplaceAll(a.condition, "'", `\'`))
	}
	m.line("  }")
	m.line("}")
}

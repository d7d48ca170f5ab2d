package roles

import (
	"fmt"
	"strings"
)

// Commands returns a script of the Azure CLI that makes the queue and the
// containers of an agent and assigns its roles. It may be run as often as one
// likes. Errors have CodeUsage or CodeBadName.
func (w Wanted) Commands() (string, error) {
	if err := w.check(); err != nil {
		return "", err
	}
	principal := w.Principal
	if principal == "" {
		principal = "${PRINCIPAL:?the object id of the identity of the agent}"
	}
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("#!/bin/sh")
	line("# What the agent %s needs in the storage account %s, and nothing more.", w.Agent, w.Account)
	line("# A new assignment takes some minutes to have an effect.")
	line("set -eu")
	line(`principal="%s"`, principal)
	line("group=/subscriptions/%s/resourceGroups/%s", w.Subscription, quoteName(w.ResourceGroup))
	line(`account="$group/providers/Microsoft.Storage/storageAccounts/%s"`, w.Account)
	line("")
	line("# The containers and the queue. Making the queue needs a role of its own for who runs this.")
	for _, c := range w.containers() {
		mark := ""
		if c == string(w.Agent) {
			mark = " --metadata agent=" + c
		}
		line("az storage container-rm create --subscription %s --resource-group %s --storage-account %s --name %s --public-access off%s",
			w.Subscription, quoteName(w.ResourceGroup), w.Account, c, mark)
	}
	if !w.ContainersOnly {
		w.rest(line)
	}
	for _, a := range w.assignments() {
		line("")
		line("# %s", a.why)
		name := a.role.id
		if name == "" {
			name = w.publisherName()
		} else {
			line("# (%s)", a.role.name)
		}
		line(`az role assignment create --assignee-object-id "$principal" --assignee-principal-type ServicePrincipal \`)
		end := ""
		if a.condition != "" {
			end = " \\\n  --condition-version 2.0 --condition \"" + a.condition + `"`
		}
		line(`  --role '%s' --scope "$account%s"%s`, name, a.path(), end)
	}
	return b.String(), nil
}

// rest makes what letters and statements of keys need.
func (w Wanted) rest(line func(string, ...any)) {
	line("az storage queue create --subscription %s --account-name %s --auth-mode login --name %s --metadata agent=%[3]s", w.Subscription, w.Account, w.Agent)
	line("")
	line("# A role that writes blobs and cannot touch their container; one for all agents.")
	line(`if [ -z "$(az role definition list --name '%s' --scope "$account" --query '[].name' --output tsv)" ]; then`, w.publisherName())
	line(`  az role definition create --role-definition "{\"Name\": \"%s\", \"Description\": \"%s\", \"Actions\": [], \"DataActions\": [%s], \"AssignableScopes\": [\"$group\"]}"`,
		w.publisherName(), publisherText, quoted(publisherActions, `\"`, ", "))
	line("fi")
}

// path is the scope of an assignment below the account.
func (a assignment) path() string {
	switch a.on {
	case onContainer:
		return "/blobServices/default/containers/" + a.name
	case onQueue:
		return "/queueServices/default/queues/" + a.name
	default:
		return ""
	}
}

const publisherText = "Writes and deletes blobs of a container, without any right on the container. For mft."

var publisherActions = []string{
	"Microsoft.Storage/storageAccounts/blobServices/containers/blobs/write",
	"Microsoft.Storage/storageAccounts/blobServices/containers/blobs/add/action",
	"Microsoft.Storage/storageAccounts/blobServices/containers/blobs/delete",
}

// publisherName is the name of the role that is made: one for each account, for
// names of roles are those of the whole tenant.
func (w Wanted) publisherName() string { return keyPublisher.name + " " + w.Account }

// quoteName quotes a name for the shell; parentheses may stand in it.
func quoteName(s string) string {
	if strings.ContainsAny(s, "()") {
		return "'" + s + "'"
	}
	return s
}

func quoted(list []string, quote, between string) string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = quote + s + quote
	}
	return strings.Join(out, between)
}

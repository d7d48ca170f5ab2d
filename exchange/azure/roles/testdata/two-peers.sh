#!/bin/sh
# What the agent erp needs in the storage account exchange1, and nothing more.
# A new assignment takes some minutes to have an effect.
set -eu
principal="55555555-6666-7777-8888-999999999999"
group=/subscriptions/00000000-1111-2222-3333-444444444444/resourceGroups/files
account="$group/providers/Microsoft.Storage/storageAccounts/exchange1"

# The containers and the queue. Making the queue needs a role of its own for who runs this.
az storage container-rm create --subscription 00000000-1111-2222-3333-444444444444 --resource-group files --storage-account exchange1 --name erp --public-access off --metadata agent=erp
az storage container-rm create --subscription 00000000-1111-2222-3333-444444444444 --resource-group files --storage-account exchange1 --name publickeys --public-access off
az storage queue create --subscription 00000000-1111-2222-3333-444444444444 --account-name exchange1 --auth-mode login --name erp --metadata agent=erp

# A role that writes blobs and cannot touch their container; one for all agents.
if [ -z "$(az role definition list --name 'mft key publisher exchange1' --scope "$account" --query '[].name' --output tsv)" ]; then
  az role definition create --role-definition "{\"Name\": \"mft key publisher exchange1\", \"Description\": \"Writes and deletes blobs of a container, without any right on the container. For mft.\", \"Actions\": [], \"DataActions\": [\"Microsoft.Storage/storageAccounts/blobServices/containers/blobs/write\", \"Microsoft.Storage/storageAccounts/blobServices/containers/blobs/add/action\", \"Microsoft.Storage/storageAccounts/blobServices/containers/blobs/delete\"], \"AssignableScopes\": [\"$group\"]}"
fi

# Take, renew and remove the letters to this agent.
# (Storage Queue Data Contributor)
az role assignment create --assignee-object-id "$principal" --assignee-principal-type ServicePrincipal \
  --role '974c5e8b-45b9-4653-ba55-5f855dd0fb88' --scope "$account/queueServices/default/queues/erp"

# Put letters to ledger, and see none of them.
# (Storage Queue Data Message Sender)
az role assignment create --assignee-object-id "$principal" --assignee-principal-type ServicePrincipal \
  --role 'c6a89b2d-59bc-44d0-9896-0f6e12d7b80a' --scope "$account/queueServices/default/queues/ledger"

# Put letters to bank-2, and see none of them.
# (Storage Queue Data Message Sender)
az role assignment create --assignee-object-id "$principal" --assignee-principal-type ServicePrincipal \
  --role 'c6a89b2d-59bc-44d0-9896-0f6e12d7b80a' --scope "$account/queueServices/default/queues/bank-2"

# Put and remove the objects that this agent sends.
# (Storage Blob Data Contributor)
az role assignment create --assignee-object-id "$principal" --assignee-principal-type ServicePrincipal \
  --role 'ba92f5b4-2d11-453d-a403-e96b0029c9fe' --scope "$account/blobServices/default/containers/erp"

# Grant one object to one peer for minutes. It allows nothing that the agent itself may not.
# (Storage Blob Delegator)
az role assignment create --assignee-object-id "$principal" --assignee-principal-type ServicePrincipal \
  --role 'db58b8e5-c6ad-4a2a-8342-4190687cbf4a' --scope "$account"

# Read everybody's statements of their keys.
# (Storage Blob Data Reader)
az role assignment create --assignee-object-id "$principal" --assignee-principal-type ServicePrincipal \
  --role '2a2b9908-6ea1-4ae2-8e65-a410df84e7d1' --scope "$account/blobServices/default/containers/publickeys"

# Publish this agent's own statements, and those of nobody else.
az role assignment create --assignee-object-id "$principal" --assignee-principal-type ServicePrincipal \
  --role 'mft key publisher exchange1' --scope "$account/blobServices/default/containers/publickeys" \
  --condition-version 2.0 --condition "((!(ActionMatches{'Microsoft.Storage/storageAccounts/blobServices/containers/blobs/write'}) AND !(ActionMatches{'Microsoft.Storage/storageAccounts/blobServices/containers/blobs/add/action'}) AND !(ActionMatches{'Microsoft.Storage/storageAccounts/blobServices/containers/blobs/delete'})) OR (@Resource[Microsoft.Storage/storageAccounts/blobServices/containers/blobs:path] StringStartsWith 'erp/'))"

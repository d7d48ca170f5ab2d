// What the agent erp needs in the storage account exchange1, and nothing more.
// az deployment group create --subscription 00000000-1111-2222-3333-444444444444 --resource-group files --template-file FILE
targetScope = 'resourceGroup'

@description('The object id of the identity of the agent.')
param principal string = '55555555-6666-7777-8888-999999999999'

resource account 'Microsoft.Storage/storageAccounts@2023-05-01' existing = {
  name: 'exchange1'
}

resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2023-05-01' existing = {
  parent: account
  name: 'default'
}

resource queues 'Microsoft.Storage/storageAccounts/queueServices@2023-05-01' existing = {
  parent: account
  name: 'default'
}

resource containerErp 'Microsoft.Storage/storageAccounts/blobServices/containers@2023-05-01' = {
  parent: blobs
  name: 'erp'
  properties: {
    publicAccess: 'None'
    metadata: {
      agent: 'erp'
    }
  }
}

resource containerPublickeys 'Microsoft.Storage/storageAccounts/blobServices/containers@2023-05-01' = {
  parent: blobs
  name: 'publickeys'
  properties: {
    publicAccess: 'None'
  }
}

resource queueErp 'Microsoft.Storage/storageAccounts/queueServices/queues@2023-05-01' = {
  parent: queues
  name: 'erp'
  properties: {
    metadata: {
      agent: 'erp'
    }
  }
}

resource queueLedger 'Microsoft.Storage/storageAccounts/queueServices/queues@2023-05-01' existing = {
  parent: queues
  name: 'ledger'
}

resource queueBank2 'Microsoft.Storage/storageAccounts/queueServices/queues@2023-05-01' existing = {
  parent: queues
  name: 'bank-2'
}

// A role that writes blobs and cannot touch their container; one for all agents.
resource publisher 'Microsoft.Authorization/roleDefinitions@2022-04-01' = {
  name: guid(account.id, 'mft key publisher')
  properties: {
    roleName: 'mft key publisher exchange1'
    description: 'Writes and deletes blobs of a container, without any right on the container. For mft.'
    type: 'CustomRole'
    permissions: [
      {
        actions: []
        dataActions: [
          'Microsoft.Storage/storageAccounts/blobServices/containers/blobs/write'
          'Microsoft.Storage/storageAccounts/blobServices/containers/blobs/add/action'
          'Microsoft.Storage/storageAccounts/blobServices/containers/blobs/delete'
        ]
      }
    ]
    assignableScopes: [
      resourceGroup().id
    ]
  }
}

// Take, renew and remove the letters to this agent. (Storage Queue Data Contributor)
resource assignQueueErpStorageQueueDataContributor 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(queueErp.id, principal, subscriptionResourceId('Microsoft.Authorization/roleDefinitions', '974c5e8b-45b9-4653-ba55-5f855dd0fb88'))
  scope: queueErp
  properties: {
    principalId: principal
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', '974c5e8b-45b9-4653-ba55-5f855dd0fb88')
  }
}

// Put letters to ledger, and see none of them. (Storage Queue Data Message Sender)
resource assignQueueLedgerStorageQueueDataMessageSender 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(queueLedger.id, principal, subscriptionResourceId('Microsoft.Authorization/roleDefinitions', 'c6a89b2d-59bc-44d0-9896-0f6e12d7b80a'))
  scope: queueLedger
  properties: {
    principalId: principal
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', 'c6a89b2d-59bc-44d0-9896-0f6e12d7b80a')
  }
}

// Put letters to bank-2, and see none of them. (Storage Queue Data Message Sender)
resource assignQueueBank2StorageQueueDataMessageSender 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(queueBank2.id, principal, subscriptionResourceId('Microsoft.Authorization/roleDefinitions', 'c6a89b2d-59bc-44d0-9896-0f6e12d7b80a'))
  scope: queueBank2
  properties: {
    principalId: principal
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', 'c6a89b2d-59bc-44d0-9896-0f6e12d7b80a')
  }
}

// Put and remove the objects that this agent sends. (Storage Blob Data Contributor)
resource assignContainerErpStorageBlobDataContributor 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(containerErp.id, principal, subscriptionResourceId('Microsoft.Authorization/roleDefinitions', 'ba92f5b4-2d11-453d-a403-e96b0029c9fe'))
  scope: containerErp
  properties: {
    principalId: principal
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', 'ba92f5b4-2d11-453d-a403-e96b0029c9fe')
  }
}

// Grant one object to one peer for minutes. It allows nothing that the agent itself may not. (Storage Blob Delegator)
resource assignAccountStorageBlobDelegator 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(account.id, principal, subscriptionResourceId('Microsoft.Authorization/roleDefinitions', 'db58b8e5-c6ad-4a2a-8342-4190687cbf4a'))
  scope: account
  properties: {
    principalId: principal
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', 'db58b8e5-c6ad-4a2a-8342-4190687cbf4a')
  }
}

// Read everybody's statements of their keys. (Storage Blob Data Reader)
resource assignContainerPublickeysStorageBlobDataReader 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(containerPublickeys.id, principal, subscriptionResourceId('Microsoft.Authorization/roleDefinitions', '2a2b9908-6ea1-4ae2-8e65-a410df84e7d1'))
  scope: containerPublickeys
  properties: {
    principalId: principal
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', '2a2b9908-6ea1-4ae2-8e65-a410df84e7d1')
  }
}

// Publish this agent's own statements, and those of nobody else. (mft key publisher)
resource assignContainerPublickeysMftKeyPublisher 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(containerPublickeys.id, principal, publisher.id)
  scope: containerPublickeys
  properties: {
    principalId: principal
    principalType: 'ServicePrincipal'
    roleDefinitionId: publisher.id
    conditionVersion: '2.0'
    condition: '((!(ActionMatches{\'Microsoft.Storage/storageAccounts/blobServices/containers/blobs/write\'}) AND !(ActionMatches{\'Microsoft.Storage/storageAccounts/blobServices/containers/blobs/add/action\'}) AND !(ActionMatches{\'Microsoft.Storage/storageAccounts/blobServices/containers/blobs/delete\'})) OR (@Resource[Microsoft.Storage/storageAccounts/blobServices/containers/blobs:path] StringStartsWith \'erp/\'))'
  }
}

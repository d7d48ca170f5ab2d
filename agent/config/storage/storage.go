// Package storage has the section `exchange:` of a configuration: which storage
// agents share that cannot reach each other, and with what right this one
// uses it.
//
//	exchange: {dir: {path: /mnt/exchange}}
//
//	exchange:
//	  azure:
//	    account: contosomft
//	    credential: {managed_identity: {}}
//
//	exchange:
//	  nats:
//	    servers: ["tls://nats.example:4222"]
//	    credential: {creds: {file: /etc/mft/erp.creds}}
//	    containers: {s3: {bucket: contoso-mft, region: eu-central-1}}
//
//	exchange: {relay: {agent: hub, address: "hub.example:7421"}}
//
// and the section `relay:` of the host that serves in the last case ([Served]).
// Its types are read by package strict, and written as they were read. The
// package refuses secrets in the file: a [Secret] says where one lies. It opens no
// storage: cmd/mft/depot does.
package storage

import (
	"errors"
	"fmt"

	"mft.dev/mft/agent/config/leaf"
)

// An Exchange is the section: exactly one of its fields.
type Exchange struct {
	Dir   *Dir   `yaml:"dir,omitempty" json:"dir,omitempty" doc:"A folder that all agents have: a mount of NFS or SMB, or a local directory."`
	Azure *Azure `yaml:"azure,omitempty" json:"azure,omitempty" doc:"A storage account of Azure."`
	Relay *Relay `yaml:"relay,omitempty" json:"relay,omitempty" doc:"A third host that both reach, whose agent keeps letters and objects for others: see the section relay there."`
	NATS  *NATS  `yaml:"nats,omitempty" json:"nats,omitempty" doc:"Queues in the JetStream of a NATS cluster, with containers there or elsewhere."`
	// Shared is about the agents, not the storage.
	Shared leaf.YesNo `yaml:"shared,omitempty" json:"shared,omitempty" doc:"Several agents of this name, each with keys of its own, use the exchange: exactly one of them delivers each transfer. Set it at all of them. Default: false."`
}

// Check implements strict.Whole.
func (e *Exchange) Check() error {
	if n := count(e.Dir != nil, e.Azure != nil, e.NATS != nil, e.Relay != nil); n != 1 {
		return fmt.Errorf("want exactly one of dir, azure, nats and relay, not %d", n)
	}
	return nil
}

// count returns how many are true.
func count(all ...bool) (n int) {
	for _, is := range all {
		if is {
			n++
		}
	}
	return n
}

// Dir is a shared folder.
type Dir struct {
	Path Path `yaml:"path" json:"path" need:"yes" doc:"The folder, absolute, as this host has it mounted."`
}

// Azure is a storage account.
type Azure struct {
	Account    Word       `yaml:"account" json:"account" need:"yes" doc:"Name of the storage account."`
	Suffix     Word       `yaml:"suffix,omitempty" json:"suffix,omitempty" doc:"Domain of the cloud. Default: core.windows.net."`
	BlobURL    URL        `yaml:"blob_url,omitempty" json:"blob_url,omitempty" doc:"Endpoint of the blobs, for a private link. Default: https://ACCOUNT.blob.SUFFIX."`
	QueueURL   URL        `yaml:"queue_url,omitempty" json:"queue_url,omitempty" doc:"Endpoint of the queues; with blob_url, or not at all. Default: https://ACCOUNT.queue.SUFFIX."`
	Authority  URL        `yaml:"authority,omitempty" json:"authority,omitempty" doc:"URL of Entra for a cloud that mft does not know by its suffix."`
	Credential Credential `yaml:"credential" json:"credential" need:"yes" doc:"With what right: exactly one."`
}

// Check implements strict.Whole.
func (a *Azure) Check() error {
	if (a.BlobURL == "") != (a.QueueURL == "") {
		return errors.New("blob_url and queue_url go together: both or none")
	}
	return nil
}

// A Credential is exactly one of its fields.
type Credential struct {
	ManagedIdentity  *ManagedIdentity  `yaml:"managed_identity,omitempty" json:"managed_identity,omitempty" doc:"The identity that Azure gives to this machine: {} for that of the system."`
	WorkloadIdentity *WorkloadIdentity `yaml:"workload_identity,omitempty" json:"workload_identity,omitempty" doc:"That of a Kubernetes service account: {} for what the cluster says."`
	Certificate      *Certificate      `yaml:"client_certificate,omitempty" json:"client_certificate,omitempty" doc:"That of an application."`
	ClientSecret     *ClientSecret     `yaml:"client_secret,omitempty" json:"client_secret,omitempty" doc:"The password of an application. Prefer one of the above."`
	SAS              *SAS              `yaml:"sas,omitempty" json:"sas,omitempty" doc:"Shared access signatures. With these an agent receives and does not send."`
	AccountKey       *Secret           `yaml:"account_key,omitempty" json:"account_key,omitempty" doc:"A key of the account. It opens everything in it; prefer any of the others."`
}

// Check implements strict.Whole.
func (c *Credential) Check() error {
	n := count(c.ManagedIdentity != nil, c.WorkloadIdentity != nil, c.Certificate != nil, c.ClientSecret != nil, c.SAS != nil, c.AccountKey != nil)
	if n != 1 {
		return fmt.Errorf("want exactly one of managed_identity, workload_identity, client_certificate, client_secret, sas and account_key, not %d", n)
	}
	return nil
}

// ManagedIdentity is the identity of a machine in Azure.
type ManagedIdentity struct {
	ClientID Word `yaml:"client_id,omitempty" json:"client_id,omitempty" doc:"Client id of a user-assigned identity. Default: that of the system."`
}

// WorkloadIdentity is the identity of a Kubernetes service account.
type WorkloadIdentity struct {
	TenantID  Word `yaml:"tenant_id,omitempty" json:"tenant_id,omitempty" doc:"Default: AZURE_TENANT_ID."`
	ClientID  Word `yaml:"client_id,omitempty" json:"client_id,omitempty" doc:"Default: AZURE_CLIENT_ID."`
	TokenFile Path `yaml:"token_file,omitempty" json:"token_file,omitempty" doc:"Default: AZURE_FEDERATED_TOKEN_FILE."`
}

// Certificate is how an application proves itself.
type Certificate struct {
	TenantID Word    `yaml:"tenant_id" json:"tenant_id" need:"yes" doc:"Tenant of the application."`
	ClientID Word    `yaml:"client_id" json:"client_id" need:"yes" doc:"Client id of the application."`
	File     Path    `yaml:"file" json:"file" need:"yes" doc:"Certificate with its private key, PEM or PKCS #12."`
	Password *Secret `yaml:"password,omitempty" json:"password,omitempty" doc:"Password of the file, if it has one."`
}

// ClientSecret is the password of an application.
type ClientSecret struct {
	TenantID Word   `yaml:"tenant_id" json:"tenant_id" need:"yes" doc:"Tenant of the application."`
	ClientID Word   `yaml:"client_id" json:"client_id" need:"yes" doc:"Client id of the application."`
	Secret   Secret `yaml:"secret" json:"secret" need:"yes" doc:"Where the secret lies."`
}

// SAS is one signature for the account, or one for each thing that is used.
type SAS struct {
	File      Path                      `yaml:"file,omitempty" json:"file,omitempty" doc:"File with a SAS of the whole account; or the keys below."`
	Env       Variable                  `yaml:"env,omitempty" json:"env,omitempty" doc:"Variable with a SAS of the whole account; or the keys below."`
	Container *Secret                   `yaml:"container,omitempty" json:"container,omitempty" doc:"SAS (r, l) of the container of this agent."`
	Queue     *Secret                   `yaml:"queue,omitempty" json:"queue,omitempty" doc:"SAS (r, a, u, p) of the queue of this agent."`
	Keys      *Secret                   `yaml:"keys,omitempty" json:"keys,omitempty" doc:"SAS (r, a, c, w, d, l) of the container publickeys."`
	Peers     map[leaf.AgentName]Secret `yaml:"peers,omitempty" json:"peers,omitempty" doc:"SAS (a) of the queue of each peer."`
}

// Whole returns where a SAS of the whole account lies, and whether there is one.
func (s *SAS) Whole() (Secret, bool) {
	return Secret{File: s.File, Env: s.Env}, s.File != "" || s.Env != ""
}

// Check implements strict.Whole.
func (s *SAS) Check() error {
	whole, is := s.Whole()
	each := s.Container != nil || s.Queue != nil || s.Keys != nil || len(s.Peers) > 0
	if is == each {
		return errors.New("want file or env for the whole account, or container, queue, keys and peers with one each")
	}
	if is {
		return whole.Check()
	}
	return nil
}

// ReadShort implements strict.Short: it refuses a secret that was pasted.
func (*SAS) ReadShort(string) error { return errPasted }

// ShortSchema implements strict.Short.
func (*SAS) ShortSchema() map[string]any { return nothing() }

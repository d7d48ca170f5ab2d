package depot

import (
	"mft.dev/mft"
	"mft.dev/mft/agent/config/storage"
	"mft.dev/mft/exchange/azure/account"
)

// accountOf says in the words of package account what the configuration says.
func accountOf(a *storage.Azure, agent mft.AgentName, env func(string) string) account.Config {
	return account.Config{
		Agent: agent, Account: string(a.Account), Suffix: string(a.Suffix),
		BlobURL: string(a.BlobURL), QueueURL: string(a.QueueURL), Authority: string(a.Authority),
		Credential: credentialOf(&a.Credential, env),
	}
}

func credentialOf(c *storage.Credential, env func(string) string) account.Credential {
	var out account.Credential
	from := func(s *storage.Secret) account.Secret {
		if s == nil {
			return nil
		}
		return func() (string, error) { return s.Read(env) }
	}
	switch {
	case c.ManagedIdentity != nil:
		out.ManagedIdentity = &account.ManagedIdentity{ClientID: string(c.ManagedIdentity.ClientID)}
	case c.WorkloadIdentity != nil:
		w := c.WorkloadIdentity
		out.WorkloadIdentity = &account.WorkloadIdentity{TenantID: string(w.TenantID), ClientID: string(w.ClientID), TokenFile: string(w.TokenFile)}
	case c.Certificate != nil:
		f := c.Certificate
		out.Certificate = &account.Certificate{
			TenantID: string(f.TenantID), ClientID: string(f.ClientID), Content: from(&storage.Secret{File: f.File}), Password: from(f.Password),
		}
	case c.ClientSecret != nil:
		s := c.ClientSecret
		out.ClientSecret = &account.ClientSecret{TenantID: string(s.TenantID), ClientID: string(s.ClientID), Secret: from(&s.Secret)}
	case c.SAS != nil:
		out.SAS = &account.SAS{Container: from(c.SAS.Container), Queue: from(c.SAS.Queue), Keys: from(c.SAS.Keys)}
		if whole, is := c.SAS.Whole(); is {
			out.SAS.Account = from(&whole)
		}
		for name, one := range c.SAS.Peers {
			if out.SAS.Peers == nil {
				out.SAS.Peers = make(map[mft.AgentName]account.Secret)
			}
			out.SAS.Peers[mft.AgentName(name)] = from(&one)
		}
	case c.AccountKey != nil:
		out.AccountKey = from(c.AccountKey)
	}
	return out
}

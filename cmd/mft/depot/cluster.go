package depot

import (
	"context"
	"fmt"

	"mft.dev/mft"
	"mft.dev/mft/agent/config/storage"
	"mft.dev/mft/exchange"
	"mft.dev/mft/exchange/azure"
	"mft.dev/mft/exchange/azure/account"
	"mft.dev/mft/exchange/nats"
	"mft.dev/mft/exchange/nats/cluster"
	"mft.dev/mft/exchange/probe"
	"mft.dev/mft/exchange/s3"
)

// clusterOf says in the words of package cluster what the configuration says.
func clusterOf(n *storage.NATS, agent mft.AgentName, env func(string) string) cluster.Config {
	c := cluster.Config{Agent: agent}
	for _, s := range n.Servers {
		c.Servers = append(c.Servers, string(s))
	}
	from := func(s *storage.Secret) cluster.Secret {
		if s == nil {
			return nil
		}
		return func() (string, error) { return s.Read(env) }
	}
	if u := n.Credential; u != nil {
		c.Credential = cluster.Credential{
			Creds: from(u.Creds), Nkey: from(u.Nkey), User: string(u.User), Password: from(u.Password), Token: from(u.Token),
		}
	}
	if t := n.TLS; t != nil {
		c.TLS = cluster.TLS{CA: string(t.CA), Cert: string(t.Cert), Key: string(t.Key), First: bool(t.First)}
	}
	return c
}

// bucketOf says in the words of package s3 what the configuration says.
func bucketOf(b *storage.S3, agent mft.AgentName, env func(string) string) s3.Config {
	c := s3.Config{
		Agent: agent, Endpoint: string(b.Endpoint), Region: string(b.Region), Bucket: string(b.Bucket), Prefix: string(b.Prefix), CA: string(b.CA),
	}
	if a := b.Credential; a != nil {
		c.AccessKey, c.SecretKey = string(a.AccessKey), func() (string, error) { return a.Secret.Read(env) }
	}
	return c
}

// elsewhere reports whether containers lie in another storage than NATS.
func elsewhere(n *storage.NATS) bool {
	return n.Containers != nil && n.Containers.NATS == nil
}

// openNATS opens the queues and keys, and the containers wherever they lie.
func (d *Depot) openNATS(n *storage.NATS, env func(string) string) error {
	c := clusterOf(n, d.agent, env)
	k, err := cluster.Open(c)
	if err != nil {
		return err
	}
	s := nats.New(k, nats.Options{Replicas: int(n.Replicas), NoBox: elsewhere(n)})
	x := s.Exchange()
	d.Exchange, d.Name, d.Notes = &x, "NATS at "+c.Servers[0], c.Notes()
	d.does = does{setup: s.Setup, check: s.Check, close: k.Close}
	if !elsewhere(n) {
		return nil
	}
	if n.Containers.S3 != nil {
		err = d.addBucket(bucketOf(n.Containers.S3, d.agent, env))
	} else {
		err = d.addAccount(accountOf(n.Containers.Azure, d.agent, env))
	}
	if err != nil {
		d.Exchange = nil
		k.Close()
	}
	return err
}

// addBucket takes the containers from a bucket.
func (d *Depot) addBucket(c s3.Config) error {
	s, err := s3.Open(c)
	if err != nil {
		return err
	}
	x := s.Exchange()
	d.Exchange.Container, d.Exchange.Reader, d.Exchange.Sizes = x.Container, x.Reader, x.Sizes
	d.Name, d.Notes = d.Name+", bucket "+c.Bucket, append(d.Notes, c.Notes()...)
	d.does = d.does.and(does{setup: s.Setup, check: s.Check, close: s.Close})
	return nil
}

// addAccount takes the containers from a storage account, whose queues are not
// used.
func (d *Depot) addAccount(c account.Config) error {
	a, err := account.Open(c, account.Parts{})
	if err != nil {
		return err
	}
	s := azure.New(a)
	x := s.Exchange()
	d.Exchange.Container, d.Exchange.Reader, d.Exchange.Sizes = x.Container, x.Reader, x.Sizes
	d.Name, d.Notes = d.Name+", storage account "+c.Account, append(d.Notes, c.Notes()...)
	d.does = d.does.and(does{setup: s.SetupContainer, check: s.CheckContainer, close: a.Close})
	return nil
}

// and does what both do, one after the other.
func (d does) and(more does) does {
	return does{
		setup: func(ctx context.Context) ([]exchange.Step, error) {
			steps, err := d.setup(ctx)
			if err != nil {
				return steps, err
			}
			others, err := more.setup(ctx)
			return append(steps, others...), err
		},
		check: func(ctx context.Context, peer mft.AgentName) []probe.Finding {
			return append(d.check(ctx, peer), more.check(ctx, peer)...)
		},
		close: func() {
			more.close()
			d.close()
		},
	}
}

// Rights returns the permissions that an agent needs in NATS, and the policy that
// it needs in S3. It opens nothing and reads no secret. Rights in Azure prints
// package roles.
func Rights(n *storage.NATS, agent mft.AgentName, peers []mft.AgentName) (string, error) {
	text, err := nats.Rights(agent, peers, elsewhere(n))
	if err != nil || n.Containers == nil || n.Containers.S3 == nil {
		return text, err
	}
	policy, err := s3.Policy(bucketOf(n.Containers.S3, agent, func(string) string { return "" }))
	return fmt.Sprintf("%s\n# The policy of the agent %s in S3:\n%s", text, agent, policy), err
}

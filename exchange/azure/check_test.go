package azure

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	blobsas "github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/sas"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/service"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azqueue/v2"
	queuesas "github.com/Azure/azure-sdk-for-go/sdk/storage/azqueue/v2/sas"

	"mft.dev/mft"
	"mft.dev/mft/exchange"
	"mft.dev/mft/exchange/azure/account"
	"mft.dev/mft/exchange/probe"
)

// containerSAS signs a SAS for a container, as an operator would.
func containerSAS(t *testing.T, name, permissions string) account.Secret {
	t.Helper()
	key, err := service.NewSharedKeyCredential(emulated, emulatedKey)
	if err != nil {
		t.Fatal(err)
	}
	q, err := blobsas.BlobSignatureValues{
		Protocol: blobsas.ProtocolHTTPSandHTTP, ExpiryTime: time.Now().Add(time.Hour), Permissions: permissions, ContainerName: name,
	}.SignWithSharedKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return secret("?" + q.Encode() + "\n")
}

func queueSAS(t *testing.T, name, permissions string) account.Secret {
	t.Helper()
	key, err := azqueue.NewSharedKeyCredential(emulated, emulatedKey)
	if err != nil {
		t.Fatal(err)
	}
	q, err := queuesas.QueueSignatureValues{
		Protocol: queuesas.ProtocolHTTPSandHTTP, ExpiryTime: time.Now().Add(time.Hour), Permissions: permissions, QueueName: name,
	}.SignWithSharedKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return secret(q.Encode())
}

// withSAS is an agent that has one SAS for each thing that it uses.
func withSAS(t *testing.T, own, peer mft.AgentName) account.Config {
	c := emulator(t).config(own)
	c.Credential = account.Credential{SAS: &account.SAS{
		Container: containerSAS(t, string(own), "racwdl"),
		Keys:      containerSAS(t, keysContainer, "racwdl"),
		Queue:     queueSAS(t, string(own), "raup"),
		Peers:     map[mft.AgentName]account.Secret{peer: queueSAS(t, string(peer), "a")},
	}}
	return c
}

// bad returns what was found not to be as it must be.
func bad(found []probe.Finding) []string {
	var out []string
	for _, f := range found {
		if !f.OK {
			out = append(out, f.What)
		}
	}
	return out
}

// TestCheck tries the rights of credentials that have what they must and
// nothing more, or too much, or too little.
func TestCheck(t *testing.T) {
	us, them := newAgent(t, "us"), newAgent(t, "them")
	peer := string(them.agent)
	tooMuch := []string{
		"look into the queue of " + peer, "remove a letter from the queue of " + peer, "list the container of " + peer,
		"read an object of " + peer, "write into the container of " + peer, "publish a statement in the name of " + peer,
	}
	narrow := withSAS(t, us.agent, them.agent)
	poor := narrow
	poor.Credential.SAS = &account.SAS{
		Container: containerSAS(t, string(us.agent), "r"), Keys: narrow.Credential.SAS.Keys, Queue: queueSAS(t, string(us.agent), "ra"),
		Peers: map[mft.AgentName]account.Secret{them.agent: queueSAS(t, peer, "raup")},
	}
	for name, c := range map[string]struct {
		config account.Config
		want   []string
	}{
		"account key": {emulator(t).config(us.agent), tooMuch},
		// A SAS cannot be limited to a directory, and makes no grants.
		"a SAS for each": {narrow, []string{"grant an object of the own container", "publish a statement in the name of " + peer}},
		"too little, and too much": {poor, []string{
			"renew a letter in the own queue", "take and remove a letter from the own queue", "look at the own container",
			"publish an object in the own container", "list the own container", "look into the queue of " + peer,
			"remove a letter from the queue of " + peer, "publish a statement in the name of " + peer,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			found := open(t, c.config).Check(patient(t), them.agent)
			got := bad(found)
			if name == "a SAS for each" {
				// A SAS of a container may not look at the container itself.
				got = slices.DeleteFunc(got, func(s string) bool { return s == "look at the own container" })
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("Check found wrong:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(c.want, "\n"))
			}
			for _, f := range found {
				t.Logf("%v %s: %s; %s", f.OK, f.What, f.Says, f.Remedy)
				if f.What == "" || f.Says == "" || f.OK != (f.Remedy == "") {
					t.Errorf("a finding is not complete: %+v", f)
				}
				if strings.Contains(f.Says, "sig=") || strings.Contains(f.Says, "?") {
					t.Errorf("a finding tells a secret: %s", f.Says)
				}
			}
		})
	}
	t.Run("leaves nothing", func(t *testing.T) { leavesNothing(t, us, them) })
}

// leavesNothing looks with the account key, after every check, for what is
// left. Letters that the narrow ones may not remove are unseen until they end.
func leavesNothing(t *testing.T, agents ...*Storage) {
	for _, s := range agents {
		x, ctx := s.Exchange(), patient(t)
		if err := x.Container.List(ctx, func(o exchange.Object) bool {
			if s == agents[0] && !o.Published {
				return true // staged by one who may not even remove it
			}
			t.Errorf("in the container of %s is left %q", s.agent, o.Name)
			return true
		}); err != nil {
			t.Error(err)
		}
		letters, err := x.Queue.Take(ctx, exchange.MaxTake, time.Minute)
		if err != nil || len(letters) != 0 {
			t.Errorf("in the queue of %s are left %d letters, %v", s.agent, len(letters), err)
		}
		if left, err := x.Keys.Statements(ctx, s.agent); err != nil || len(left) != 0 {
			t.Errorf("of the statements of %s are left %d, %v", s.agent, len(left), err)
		}
	}
}

func TestCheckBeforeSetup(t *testing.T) {
	us := newAgent(t, "us")
	absent := fresh("absent")
	got := map[string]probe.Finding{}
	for _, f := range us.Check(patient(t), absent) {
		got[f.What] = f
	}
	for _, what := range []string{"put a letter into the queue of ", "list the container of "} {
		f, ok := got[what+string(absent)]
		if !ok || f.OK || !strings.Contains(f.Remedy, "peer") {
			t.Errorf("%s%s, which is not set up: %+v (of %q)", what, absent, f, slices.Sorted(maps.Keys(got)))
		}
	}
	if found := us.Check(patient(t), "ab"); len(found) != 1 || found[0].OK {
		t.Errorf("Check with a peer whose name fits no container: %+v", found)
	}
}

func TestSetup(t *testing.T) {
	a := emulator(t)
	s := open(t, a.config(fresh("fresh")))
	own := string(s.agent)
	ctx := patient(t)
	steps := func(want ...string) {
		t.Helper()
		got, err := s.Setup(ctx)
		if err != nil {
			t.Fatal(err)
		}
		var done []string
		for _, step := range got {
			done = append(done, step.What+" "+step.Done)
		}
		if got[2].Done == made { // the first test of all makes it
			done[2] = "container publickeys nothing"
		}
		if !slices.Equal(done, append(want, "container publickeys nothing")) {
			t.Errorf("Setup: %q, want %q", done, want)
		}
	}
	steps("container "+own+" made", "queue "+own+" made")
	steps("container "+own+" nothing", "queue "+own+" nothing")
	if _, err := s.own().SetMetadata(ctx, &container.SetMetadataOptions{}); err != nil {
		t.Fatal(err)
	}
	steps("container "+own+" marked", "queue "+own+" nothing")
	steps("container "+own+" nothing", "queue "+own+" nothing")
}

// TestSetupRefuses has containers that are not ours.
func TestSetupRefuses(t *testing.T) {
	a := emulator(t)
	other := "somebody-else"
	public := container.PublicAccessTypeBlob
	for name, c := range map[string]struct {
		make func(s *Storage) error
		want mft.Code
	}{
		"of another agent": {func(s *Storage) error {
			_, err := s.own().Create(t.Context(), &container.CreateOptions{Metadata: map[string]*string{ownerKey: &other}})
			return err
		}, mft.CodeExists},
		"in use": {func(s *Storage) error {
			if _, err := s.own().Create(t.Context(), nil); err != nil {
				return err
			}
			return s.Exchange().Container.Stage(t.Context(), "something", 0, []byte("x"))
		}, mft.CodeExists},
		"open to everybody": {func(s *Storage) error {
			_, err := s.own().Create(t.Context(), &container.CreateOptions{Access: &public, Metadata: map[string]*string{ownerKey: s.owner()}})
			return err
		}, mft.CodeNotAllowed},
		"a queue in use": {func(s *Storage) error {
			if _, err := s.account.Queues.NewQueueClient(string(s.agent)).Create(t.Context(), nil); err != nil {
				return err
			}
			return s.Exchange().Queue.Put(t.Context(), s.agent, []byte("x"))
		}, mft.CodeExists},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, a.config(fresh("taken")))
			if err := c.make(s); err != nil {
				t.Fatal(err)
			}
			if steps, err := s.Setup(patient(t)); mft.CodeOf(err) != c.want {
				t.Errorf("Setup: %v, %v, want code %s", steps, err, c.want)
			}
		})
	}
}

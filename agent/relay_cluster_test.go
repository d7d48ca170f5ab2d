package agent_test

import (
	"maps"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	"github.com/nats-io/nats-server/v2/server"

	"mft.dev/mft"
	"mft.dev/mft/exchange/nats"
	"mft.dev/mft/exchange/nats/cluster"
	"mft.dev/mft/exchange/s3"
)

// TestRelayCluster: two agents that never reach each other copy a tree over queues
// in NATS and containers in S3.
func TestRelayCluster(t *testing.T) {
	at, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: t.TempDir(), SyncAlways: true, NoSigs: true, NoLog: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	at.Start()
	t.Cleanup(func() {
		at.Shutdown()
		at.WaitForShutdown()
	})
	if !at.ReadyForConnections(20 * time.Second) {
		t.Fatal("the server did not come up")
	}
	objects := s3mem.New()
	bucket := httptest.NewServer(gofakes3.New(objects).Server())
	t.Cleanup(bucket.Close)

	alpha, beta, _ := apart(t)
	for _, h := range []*host{alpha, beta} {
		k, err := cluster.Open(cluster.Config{Agent: h.conf.Agent.Name, Servers: []string{at.ClientURL()}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(k.Close)
		queues := nats.New(k, nats.Options{NoBox: true, Wait: time.Second})
		box, err := s3.Open(s3.Config{
			Agent: h.conf.Agent.Name, Endpoint: bucket.URL, Bucket: "mft", AccessKey: "key", SecretKey: func() (string, error) { return "secret", nil },
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(box.Close)
		if _, err := queues.Setup(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := box.Setup(t.Context()); err != nil {
			t.Fatal(err)
		}
		x, there := queues.Exchange(), box.Exchange()
		x.Container, x.Reader, x.Sizes = there.Container, there.Reader, there.Sizes
		h.exchange = &x
	}
	alpha.start()
	beta.start()
	write(t, alpha.out, "d/a", "1")
	big(t, alpha.out, "d/big", 3<<20)
	id := alpha.copyTo(beta, beta.in+"/", "", filepath.Join(alpha.out, "d"))
	if sent := alpha.await(id, mft.StateDone, mft.StateFailed, mft.StateRejected); sent.State != mft.StateDone {
		t.Fatalf("the sender's state is %s (%+v), want done", sent.State, sent.Reason)
	}
	beta.await(id, mft.StateDone)
	if want, got := tree(t, alpha.out), tree(t, beta.in); !maps.Equal(want, got) {
		t.Errorf("delivered %v, want %v", slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)))
	}
	left := func() int {
		list, err := objects.ListBucket("mft", nil, gofakes3.ListBucketPage{})
		if err != nil {
			t.Fatal(err)
		}
		return len(list.Contents)
	}
	alpha.until("the bucket", func() bool { return left() == 0 }, func() any { return left() })
}

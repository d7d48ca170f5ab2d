package s3

import (
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/exchange"
	"mft.dev/mft/exchange/dir"
	"mft.dev/mft/exchange/exchangetest"
)

// authority writes the certificate of a fake into a file.
func (f *fake) authority(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ca.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: f.Certificate().Raw})
	if err := os.WriteFile(path, block, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func (f *fake) config(t *testing.T, agent mft.AgentName) Config {
	return Config{
		Agent: agent, Endpoint: f.URL, Bucket: f.bucket, CA: f.authority(t),
		AccessKey: string(agent), SecretKey: func() (string, error) { return secretOf(string(agent)) + "\n", nil },
	}
}

func open(t *testing.T, c Config) *Storage {
	t.Helper()
	s, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// TestConformance has the containers of the bucket with the queues and keys of a
// folder, for S3 has none.
func TestConformance(t *testing.T) {
	exchangetest.Run(t, func(t *testing.T) exchangetest.Bench {
		f, folder := newFake(t), t.TempDir()
		join := func(agent mft.AgentName) exchange.Exchange {
			x, err := dir.New(dir.Config{Path: folder, Agent: agent, Wait: -1})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := dir.Setup(t.Context(), folder, agent); err != nil {
				t.Fatal(err)
			}
			here := open(t, f.config(t, agent)).Exchange()
			x.Container, x.Reader, x.Sizes = here.Container, here.Reader, here.Sizes
			return x
		}
		b := join("beta")
		return exchangetest.Bench{
			NameA: "alpha", NameB: "beta", Absent: "nobody",
			A: join("alpha"), B: b, Twin: join("beta"),
			Lease: 2 * time.Second, Life: 2 * time.Minute,
			Elapse: func(d time.Duration) {
				f.ahead.Add(int64(d))
				if d <= 3*time.Second { // the folder has the clock of this host
					<-time.After(d)
				}
			},
		}
	})
}

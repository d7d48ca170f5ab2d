package localapi

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/localapi/opaque"
	"mft.dev/mft/agent/localapi/route"
)

// A forgetful agent takes every order and does with its answers what a list
// says, one after the other; after the last it answers.
type forgetful struct {
	t       *testing.T
	socket  string
	answers []func(f *forgetful, w http.ResponseWriter)

	mu     sync.Mutex // guards what follows
	got    []mft.TransferID
	server *http.Server
	ended  chan error
}

// forget starts a forgetful agent, and returns a client that has a little
// patience with it.
func forget(t *testing.T, answers ...func(*forgetful, http.ResponseWriter)) (*forgetful, *Client) {
	t.Helper()
	f := &forgetful{t: t, socket: filepath.Join(t.TempDir(), "s"), answers: answers}
	f.listen()
	t.Cleanup(func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		_ = f.server.Close()
		<-f.ended
	})
	c := NewClient(f.socket)
	c.repeat = repetition{most: patience, pause: time.Millisecond}
	return f, c
}

func (f *forgetful) listen() {
	ln, err := net.Listen("unix", f.socket)
	if err != nil {
		f.t.Error(err)
		return
	}
	server, ended := &http.Server{Handler: f}, make(chan error, 1)
	f.server, f.ended = server, ended
	go func() { ended <- server.Serve(ln) }()
}

// leave goes away for good.
func (f *forgetful) leave() {
	f.mu.Lock()
	defer f.mu.Unlock()
	_ = f.server.Close()
}

// orders returns the first id of each order that came.
func (f *forgetful) orders() []mft.TransferID {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.got)
}

// ServeHTTP answers the order with as many transfers as it has ids.
func (f *forgetful) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var o struct {
		Transfer     mft.TransferID
		Destinations []struct{ Transfer mft.TransferID }
	}
	b, err := io.ReadAll(r.Body)
	if err == nil {
		err = json.Unmarshal(b, &o)
	}
	if err != nil {
		f.t.Errorf("the order is %q: %v", b, err)
	}
	var out any = requested{Transfer: o.Transfer}
	f.mu.Lock()
	n := len(f.got)
	if r.URL.Path == "/v1/copy" {
		var placed []Placed
		for _, d := range o.Destinations {
			placed = append(placed, Placed{Transfer: d.Transfer})
		}
		out, o.Transfer = placed, o.Destinations[0].Transfer
	}
	f.got = append(f.got, o.Transfer)
	f.mu.Unlock()
	if n < len(f.answers) {
		f.answers[n](f, w)
		return
	}
	route.Answer(func(*http.Request) (any, error) { return out, nil }).ServeHTTP(w, r)
}

// hangUp closes the connection without an answer.
func hangUp(f *forgetful, w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		f.t.Error(err)
		return
	}
	conn.Close()
}

// breakOff closes the connection in the middle of an answer.
func breakOff(f *forgetful, w http.ResponseWriter) {
	conn, buf, err := http.NewResponseController(w).Hijack()
	if err != nil {
		f.t.Error(err)
		return
	}
	_, _ = buf.WriteString("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n[{")
	_ = buf.Flush()
	conn.Close()
}

// restart goes away without an answer, and comes back.
func restart(f *forgetful, w http.ResponseWriter) {
	f.mu.Lock()
	defer f.mu.Unlock()
	_ = f.server.Close() // the connection of w too
	<-f.ended
	f.listen()
}

func refuse(w http.ResponseWriter, err error) {
	route.Answer(func(*http.Request) (any, error) { return nil, err }).ServeHTTP(w, httptest.NewRequest("POST", "/", nil))
}

// stopNow says that the agent is stopping.
func stopNow(_ *forgetful, w http.ResponseWriter) {
	refuse(w, mft.Fail(mft.CodeMaintenance, "answer", "", nil))
}

func refuseIt(_ *forgetful, w http.ResponseWriter) {
	refuse(w, mft.Fail(mft.CodeIDTaken, "place transfer", "", nil))
}

// forbid says of a source what the client says of a socket.
func forbid(_ *forgetful, w http.ResponseWriter) {
	refuse(w, mft.Fail(mft.CodePermission, "open", "/a", fs.ErrPermission))
}

func failIt(_ *forgetful, w http.ResponseWriter) {
	refuse(w, mft.Fail(mft.CodeJournal, "write", "", nil))
}

func TestOrderIsRepeated(t *testing.T) {
	type answers []func(*forgetful, http.ResponseWriter)
	for _, tt := range []struct {
		name    string
		answers answers
		want    mft.Code
		calls   int
	}{
		{"answered", nil, mft.CodeOK, 1},
		{"refused", answers{refuseIt}, mft.CodeIDTaken, 1},
		{"forbidden", answers{forbid}, mft.CodePermission, 1},
		{"failed", answers{failIt}, mft.CodeJournal, 1},
		{"hung up", answers{hangUp}, mft.CodeOK, 2},
		{"hung up again and again", answers{hangUp, hangUp, hangUp}, mft.CodeOK, 4},
		{"broken off", answers{breakOff}, mft.CodeOK, 2},
		{"restarted", answers{restart}, mft.CodeOK, 2},
		{"stopping", answers{stopNow}, mft.CodeOK, 2},
		{"hung up, then refused", answers{hangUp, refuseIt}, mft.CodeIDTaken, 2},
	} {
		for what, order := range orders {
			t.Run(what+" "+tt.name, func(t *testing.T) {
				f, c := forget(t, tt.answers...)
				id, err := order(limited(t), c, mft.TransferID{})
				if mft.CodeOf(err) != tt.want {
					t.Fatalf("the order ended with %v, want code %s", err, tt.want)
				}
				came := f.orders()
				if len(came) != tt.calls {
					t.Fatalf("the agent got %d orders, want %d", len(came), tt.calls)
				}
				for _, got := range came {
					if got.IsZero() || got != came[0] || err == nil && got != id {
						t.Errorf("the orders had the ids %v and the answer is %s, want one id", came, id)
					}
				}
				if tt.want == mft.CodeJournal && !strings.Contains(err.Error(), came[0].String()) {
					t.Errorf("the error is %v, want that it names transfer %s", err, came[0])
				}
			})
		}
	}
}

// orders give an order with an id of the caller's.
var orders = map[string]func(ctx context.Context, c *Client, id mft.TransferID) (mft.TransferID, error){
	"copy": func(ctx context.Context, c *Client, id mft.TransferID) (mft.TransferID, error) {
		placed, err := c.Copy(ctx, CopyOrder{Sources: []string{"/a"}, Destinations: []Destination{{Agent: "b", Transfer: id}}})
		if err != nil {
			return mft.TransferID{}, err
		}
		return placed[0].Transfer, nil
	},
	"request": func(ctx context.Context, c *Client, id mft.TransferID) (mft.TransferID, error) {
		return c.Request(ctx, RequestOrder{Agent: "b", Path: "/a", Into: "/b", Transfer: id})
	},
}

func TestOrderKeepsItsID(t *testing.T) {
	want, err := NewID()
	if err != nil {
		t.Fatal(err)
	}
	for what, order := range orders {
		f, c := forget(t, hangUp)
		got, err := order(limited(t), c, want)
		if came := f.orders(); err != nil || got != want || len(came) != 2 || came[1] != want {
			t.Errorf("%s as %s: got %s, %v, and the agent got %v", what, want, got, err, came)
		}
	}
	f, c := forget(t)
	o := CopyOrder{Sources: []string{"/a"}, Destinations: make([]Destination, 2)}
	placed, err := c.Copy(limited(t), o)
	if err != nil || placed[0].Transfer == placed[1].Transfer || placed[1].Transfer.IsZero() || f.orders()[0] != placed[0].Transfer {
		t.Errorf("a copy to two is %+v, %v, want two ids", placed, err)
	}
	if !o.Destinations[0].Transfer.IsZero() {
		t.Error("the ids were written into the caller's order")
	}
}

// TestAgentStaysAway: it is not known whether the order was taken, and that is
// what is said.
func TestAgentStaysAway(t *testing.T) {
	f, c := forget(t, func(f *forgetful, _ http.ResponseWriter) { f.leave() })
	c.repeat.most = 20 * time.Millisecond
	_, err := orders["copy"](limited(t), c, mft.TransferID{})
	if mft.CodeOf(err) != mft.CodeNoAnswer || !strings.Contains(err.Error(), f.orders()[0].String()) {
		t.Errorf("the order ended with %v, want code %s and the id %s", err, mft.CodeNoAnswer, f.orders()[0])
	}
}

func TestNobodyWaits(t *testing.T) {
	for _, tt := range []struct {
		name   string
		answer func(f *forgetful, w http.ResponseWriter)
	}{
		{"for the answer", func(*forgetful, http.ResponseWriter) {}},
		{"for the agent to come back", hangUp},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(limited(t))
			f, c := forget(t, func(f *forgetful, w http.ResponseWriter) {
				cancel()
				tt.answer(f, w)
				f.leave()
			})
			_, err := orders["request"](ctx, c, mft.TransferID{})
			if mft.CodeOf(err) != mft.CodeNoAnswer || !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), f.orders()[0].String()) {
				t.Errorf("the order ended with %v, want code %s and the id %s", err, mft.CodeNoAnswer, f.orders()[0])
			}
		})
	}
}

// TestNobodyWasThere: an order that reached nobody is not repeated, and the
// error says that nothing was taken.
func TestNobodyWasThere(t *testing.T) {
	c := NewClient(filepath.Join(t.TempDir(), "s"))
	c.repeat = repetition{most: 10 * patience, pause: 10 * patience}
	for what, order := range orders {
		if _, err := order(limited(t), c, mft.TransferID{}); mft.CodeOf(err) != mft.CodeNotRunning {
			t.Errorf("%s without an agent = %v, want code %s", what, err, mft.CodeNotRunning)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := order(ctx, c, mft.TransferID{}); !errors.Is(err, context.Canceled) || mft.CodeOf(err) == mft.CodeNoAnswer {
			t.Errorf("%s that was given up before = %v, want that it was cancelled", what, err)
		}
	}
}

// TestOneOrderAcrossTheSocket gives an order twice to a real agent.
func TestOneOrderAcrossTheSocket(t *testing.T) {
	ctx := limited(t)
	alpha, beta := pairOf(t)
	o := CopyOrder{
		Sources:      []string{write(t, filepath.Join(alpha.out, "a"), "1")},
		Destinations: []Destination{{Agent: "beta", Path: opaque.String(beta.in + "/")}},
	}
	var err error
	if o.Destinations[0].Transfer, err = NewID(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		placed, err := alpha.Copy(ctx, o)
		if err != nil || placed[0].Err != nil || placed[0].Transfer != o.Destinations[0].Transfer {
			t.Fatalf("Copy = %+v, %v, want the transfer of the given id", placed, err)
		}
	}
	o.Destinations[0].Path += "b"
	placed, err := alpha.Copy(ctx, o)
	if err != nil || placed[0].Err == nil || placed[0].Err.Code != mft.CodeIDTaken {
		t.Errorf("Copy to another path = %+v, %v, want code %s", placed, err, mft.CodeIDTaken)
	}
	if list, err := alpha.Transfers(ctx, Filter{}); err != nil || len(list) != 1 {
		t.Errorf("Transfers = %+v, %v, want one", list, err)
	}
}

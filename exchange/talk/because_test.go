package talk

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"

	"mft.dev/mft"
	"mft.dev/mft/protocol"
)

// TestBecause: what another process says of an attempt is told by its cause, which is the
// recorder's where the connection to that broke off.
func TestBecause(t *testing.T) {
	full := mft.Fail(mft.CodeTooLarge, "put", "p", errors.New("no room"))
	broken := mft.Fail(mft.CodeDisconnected, "send", "", io.ErrClosedPipe)
	changed := mft.Fail(mft.CodeChanged, "read", "a", nil)
	for name, tt := range map[string]struct {
		said, recorder, want error
	}{
		"the storage fails":        {broken, full, full},
		"without a code":           {io.ErrUnexpectedEOF, full, full},
		"the source fails":         {changed, broken, changed},
		"both fail by themselves":  {changed, full, changed},
		"the process ends":         {broken, io.ErrUnexpectedEOF, broken},
		"nobody knows of anything": {broken, nil, broken},
		"nothing fails":            {nil, nil, nil},
	} {
		o := &Outgoing{line: line{ended: make(chan struct{}), err: tt.recorder}}
		close(o.ended)
		if got := o.Because(tt.said); got != tt.want {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
	}
	told := mft.Fail(mft.CodeRelayed, "", "", errors.New("everything lies in the exchange"))
	var parked *Parked
	if err := new(Outgoing).Because(told); !errors.As(err, &parked) || parked.For != protocol.KindReceipt {
		t.Errorf("when all is done: %v", err)
	}
}

// TestStandIn: what stands for the word of a peer can be passed on to another process.
func TestStandIn(t *testing.T) {
	o := &mft.Offer{Transfer: mft.TransferID{1}, Sender: "erp", Recipient: "ledger", Channel: "nightly"}
	for kind, from := range map[protocol.Kind]mft.AgentName{protocol.KindSeal: "erp", protocol.KindDecision: "ledger"} {
		e, err := protocol.ParseEnvelope(protocol.AppendEnvelope(nil, standIn(o, kind, from, []byte{1})))
		if err != nil || e.Kind != kind || e.Sender != from || e.Recipient == from || e.Transfer != o.Transfer || e.Channel != o.Channel {
			t.Errorf("%v: %+v, %v", kind, e, err)
		}
	}
}

// TestOnce: a process that somebody has taken over opens no second connection and seals once.
func TestOnce(t *testing.T) {
	o := &Outgoing{}
	o.Begin()
	ctx, cancel := context.WithCancel(t.Context())
	wait := func(ctx context.Context, conn net.Conn) error { <-ctx.Done(); return conn.Close() }
	first, err := o.open(ctx, wait)
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	if second, err := o.open(ctx, wait); mft.CodeOf(err) != mft.CodeProtocol || second != nil {
		t.Errorf("a second connection: %v", err)
	}
	cancel()
	if err := o.wait(); err != nil {
		t.Error(err)
	}
	o.sealed = true
	seal := protocol.AppendSeal(nil, &mft.Seal{})
	if err := o.Send(t.Context(), protocol.KindSeal, seal); mft.CodeOf(err) != mft.CodeProtocol {
		t.Errorf("a second seal: %v", err)
	}
}

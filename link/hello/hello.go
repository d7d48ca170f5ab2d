// Package hello is what the two ends of a control connection say first, when TLS
// has shown whose keys they have: their names and what they speak.
//
// It believes nothing that the keys do not show.
package hello

import (
	"context"
	"errors"
	"fmt"
	"net"

	"mft.dev/mft"
	"mft.dev/mft/link/transport"
	"mft.dev/mft/protocol"
)

// Exchange says own and returns what the peer says; who dialled speaks first. The
// peer must bear the name that its key is pinned for.
func Exchange(ctx context.Context, conn net.Conn, own protocol.Hello, peer mft.AgentName, first bool) (protocol.Hello, error) {
	stop := transport.Interruptible(ctx, conn)
	defer stop()
	if first {
		if err := write(conn, &own); err != nil {
			return protocol.Hello{}, err
		}
	}
	hello, err := read(conn)
	if err != nil {
		return hello, err
	}
	if hello.Agent != peer {
		return hello, mft.Fail(mft.CodeUntrusted, "greet peer", string(peer), fmt.Errorf("it calls itself %q", hello.Agent))
	}
	if _, ok := protocol.ChooseVersion(hello.Versions, Versions()); !ok {
		err := mft.Fail(mft.CodeVersion, "greet peer", string(peer),
			fmt.Errorf("it speaks versions %v, this agent %v", hello.Versions, Versions()))
		// Whether the peer learns of it makes no difference here.
		_ = protocol.WriteControl(conn, protocol.ControlBye,
			protocol.AppendFailure(nil, &protocol.Failure{Code: mft.CodeVersion, Detail: err.Error()}))
		return hello, err
	}
	if !first {
		if err := write(conn, &own); err != nil {
			return hello, err
		}
	}
	if !stop() {
		return hello, transport.Interrupted("greet peer "+string(peer), ctx)
	}
	return hello, nil
}

// Versions are those of the protocol that this end speaks.
func Versions() []uint8 {
	return []uint8{protocol.Version, protocol.VersionMarkers, protocol.VersionRehearsals, protocol.VersionCanary, protocol.VersionXAttrs, protocol.VersionTraces}
}

func write(conn net.Conn, own *protocol.Hello) error {
	return protocol.WriteControl(conn, protocol.ControlHello, protocol.AppendHello(nil, own))
}

func read(conn net.Conn) (protocol.Hello, error) {
	kind, payload, err := protocol.ReadControl(conn)
	if err != nil {
		return protocol.Hello{}, err
	}
	switch kind {
	case protocol.ControlHello:
		return protocol.ParseHello(payload)
	case protocol.ControlBye:
		bye, err := protocol.ParseFailure(payload)
		if err != nil {
			return protocol.Hello{}, err
		}
		return protocol.Hello{}, mft.Fail(bye.Code, "greet peer", "", errors.New(bye.Detail))
	}
	return protocol.Hello{}, mft.Fail(mft.CodeProtocol, "greet peer", "", fmt.Errorf("a frame of kind %v comes before the hello", kind))
}

package wire

import (
	"errors"
	"fmt"
	"io"

	"mft.dev/mft"
	"mft.dev/mft/protocol"
)

// ReadHello reads the first frame of a peer. The error has the code of its bye when
// it says goodbye instead.
func ReadHello(r io.Reader) (protocol.Hello, error) {
	kind, payload, err := protocol.ReadControl(r)
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

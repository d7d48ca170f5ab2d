package transfer

import (
	"testing"

	"mft.dev/mft"
)

func TestStreams(t *testing.T) {
	for wanted, want := range map[int]int{-1: 1, 0: 1, 1: 1, 4: 4, MaxStreams: MaxStreams, MaxStreams + 1: MaxStreams, 16: MaxStreams} {
		if got := AcceptStreams(wanted); got != want {
			t.Errorf("AcceptStreams(%d) = %d, want %d", wanted, got, want)
		}
	}
	for _, tt := range []struct {
		wanted, agreed int
		fine           bool
	}{{1, 1, true}, {8, 1, true}, {8, 8, true}, {1, 2, false}, {8, 9, false}, {1, 0, false}, {4, -1, false}} {
		got, err := AgreedStreams(tt.wanted, tt.agreed)
		if tt.fine && (err != nil || got != tt.agreed) || !tt.fine && mft.CodeOf(err) != mft.CodeProtocol {
			t.Errorf("AgreedStreams(%d, %d) = %d, %v", tt.wanted, tt.agreed, got, err)
		}
	}
}

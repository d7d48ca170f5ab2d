package mft

import "slices"

// State is where a transfer is in its life. A transfer moves only along the
// edges that Next allows, and ends in exactly one terminal state:
//
//	planned → queued → running → verifying → delivered → done
//	             ↑↓        ↓ ↑        ↓ ↑
//	           waiting ←───┘ └────────┘
//
// From every state that is not terminal a transfer may be paused or
// cancelled, may fail or be rejected. Delivered means that the receiver has
// committed everything; only the sender's bookkeeping is left, so it can no
// longer be cancelled.
type State string

// The states.
const (
	StatePlanned   State = "planned"
	StateQueued    State = "queued"
	StateWaiting   State = "waiting" // Transfer.Reason says for what
	StateRunning   State = "running"
	StateVerifying State = "verifying"
	StateDelivered State = "delivered"
	StatePaused    State = "paused"

	StateDone      State = "done"
	StateRejected  State = "rejected"
	StateFailed    State = "failed"
	StateCancelled State = "cancelled"
)

// transitions lists, for each state, the states that may follow.
var transitions = map[State][]State{
	StatePlanned:   {StateQueued, StateRunning, StatePaused, StateCancelled, StateFailed, StateRejected},
	StateQueued:    {StateRunning, StateWaiting, StatePaused, StateCancelled, StateFailed, StateRejected},
	StateWaiting:   {StateQueued, StateRunning, StatePaused, StateCancelled, StateFailed, StateRejected, StateDelivered},
	StateRunning:   {StateVerifying, StateQueued, StateWaiting, StatePaused, StateCancelled, StateFailed, StateRejected, StateDelivered},
	StateVerifying: {StateDelivered, StateRunning, StateQueued, StateWaiting, StatePaused, StateCancelled, StateFailed, StateRejected},
	StatePaused:    {StateQueued, StateWaiting, StateRunning, StateCancelled, StateFailed, StateRejected, StateDelivered},
	StateDelivered: {StateDone, StateFailed},
}

// States returns every state, the terminal ones last.
func States() []State {
	return []State{
		StatePlanned, StateQueued, StateWaiting, StateRunning, StateVerifying, StateDelivered, StatePaused,
		StateDone, StateRejected, StateFailed, StateCancelled,
	}
}

// CanBecome reports whether a transfer in state s may go to state next.
// Staying in a state that is not terminal is allowed: it changes the reason.
func (s State) CanBecome(next State) bool {
	return (s == next && !s.Terminal()) || slices.Contains(transitions[s], next)
}

// Terminal reports whether nothing can follow s. A retry is a new transfer
// that names the old one.
func (s State) Terminal() bool {
	switch s {
	case StateDone, StateRejected, StateFailed, StateCancelled:
		return true
	}
	return false
}

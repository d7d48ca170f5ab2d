package ring

import (
	"testing"

	"pgregory.net/rapid"
)

func TestRingIsAQueueByNumber(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		bound := rapid.IntRange(1, 3*pieceLen).Draw(t, "bound")
		r := New[int](bound)
		var model []int // values in the ring
		first := 0
		for _, run := range rapid.SliceOfN(rapid.IntRange(-2*pieceLen, 2*pieceLen), 0, 20).Draw(t, "runs") {
			for ; run > 0 && r.Room() > 0; run-- {
				v := first + len(model)
				if got := r.Push(v * 3); got != uint64(v) {
					t.Fatalf("Push = %d, want %d", got, v)
				}
				model = append(model, v*3)
			}
			gone := min(len(model), -min(run, 0))
			n := 0
			r.PopWhile(func(*int) bool { n++; return n <= gone })
			model, first = model[gone:], first+gone
			if got, want := r.Room(), uint64(bound-len(model)); got != want {
				t.Fatalf("Room = %d, want %d", got, want)
			}
			for i, want := range model {
				if got := r.At(uint64(first + i)); got == nil || *got != want {
					t.Fatalf("At(%d) = %v, want %d", first+i, got, want)
				}
			}
			if first > 0 && r.At(uint64(first-1)) != nil || r.At(uint64(first+len(model))) != nil {
				t.Fatal("At gives a value outside of the ring")
			}
		}
	})
}

func TestPushWithoutRoomPanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("Push into a full ring did not panic")
		}
	}()
	r := New[int](1)
	r.Push(1)
	r.Push(2)
}

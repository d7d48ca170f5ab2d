package ring

import (
	"testing"

	"pgregory.net/rapid"
)

func TestRingIsAQueueByNumber(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		bound := rapid.IntRange(1, 100).Draw(t, "bound")
		r := New[int](bound)
		var model []int // values in the ring
		first := 0
		for _, push := range rapid.SliceOfN(rapid.Bool(), 0, 400).Draw(t, "pushes") {
			if push && r.Room() > 0 {
				v := first + len(model)
				if got := r.Push(v * 3); got != uint64(v) {
					t.Fatalf("Push = %d, want %d", got, v)
				}
				model = append(model, v*3)
			} else if len(model) > 0 {
				n := 0
				r.PopWhile(func(*int) bool { n++; return n == 1 })
				model, first = model[1:], first+1
			}
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

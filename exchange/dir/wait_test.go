package dir

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"mft.dev/mft"
)

func TestTakeWaits(t *testing.T) {
	path := shared(t, "alpha", "beta")
	synctest.Test(t, func(t *testing.T) {
		x, err := New(Config{Path: path, Agent: "alpha", Wait: time.Hour})
		ok(t, err)
		began := time.Now()
		if got, err := x.Queue.Take(t.Context(), 1, time.Hour); err != nil || len(got) != 0 || time.Since(began) != time.Hour {
			t.Errorf("Take of an empty queue: %d letters, %v, after %v; want none after an hour", len(got), err, time.Since(began))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		began = time.Now()
		_, err = x.Queue.Take(ctx, 1, time.Hour)
		code(t, err, mft.CodeTimeout, "Take within a minute")
		if time.Since(began) != time.Minute {
			t.Errorf("Take within a minute returned after %v", time.Since(began))
		}
		go func() {
			time.Sleep(time.Minute)
			if err := x.Queue.Put(context.Background(), "alpha", []byte("x")); err != nil {
				t.Error(err)
			}
		}()
		if got, err := x.Queue.Take(t.Context(), 1, time.Hour); err != nil || len(got) != 1 {
			t.Errorf("Take of what comes meanwhile: %d letters, %v; want one", len(got), err)
		}
	})
}

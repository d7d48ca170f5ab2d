package parcel

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
)

// TestNoted: what is staged is noted while nothing more is written, behind a part
// that takes long too, and before another is staged in its place.
func TestNoted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const atOnce = 2
		var (
			mu     sync.Mutex
			staged int // and begun
			noted  []int
		)
		slow := make(chan struct{})
		w := NewWriter(t.Context(), form(32), 0, atOnce, func(_ context.Context, number int, _ []byte) error {
			mu.Lock()
			staged++
			if under := staged - len(noted); under > atOnce {
				t.Errorf("part %d is staged while %d are not noted, want at most %d", number, under, atOnce)
			}
			mu.Unlock()
			if number == 0 {
				<-slow
			}
			return nil
		})
		defer w.Close()
		w.Resume(Known{Note: func(p Print) error {
			mu.Lock()
			defer mu.Unlock()
			noted = append(noted, p.Number)
			return nil
		}})
		check := func(want ...int) {
			t.Helper()
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			if !slices.Equal(noted, want) {
				t.Errorf("parts %v are noted, want %v", noted, want)
			}
		}
		wrote := make(chan error, 1)
		go func() { // two more than the window takes wait for the first
			_, err := w.Write(noise(6 * 32))
			wrote <- err
		}()
		check(1, 2, 3)
		close(slow)
		if err := <-wrote; err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		slices.Sort(noted)
		check(0, 1, 2, 3, 4, 5)
	})
}

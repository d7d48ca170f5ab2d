package insights

import (
	"net/http"
	"testing"
	"time"

	"mft.dev/mft/agent/telemetry/post"
)

func TestDuration(t *testing.T) {
	for _, tt := range []struct {
		d    time.Duration
		want string
	}{
		{0, "0.00:00:00.000000"},
		{-time.Second, "0.00:00:00.000000"},
		{1234 * time.Millisecond, "0.00:00:01.234000"},
		{49*time.Hour + 61*time.Minute + time.Microsecond, "2.02:01:00.000001"},
		{20000 * 24 * time.Hour, "999.23:59:59.999999"},
	} {
		if got := duration(tt.d); got != tt.want {
			t.Errorf("duration(%s) = %s, want %s", tt.d, got, tt.want)
		}
	}
}

// FuzzPartially reads answers as an endpoint may send them: no item is lost
// from sight, nor seen twice.
func FuzzPartially(f *testing.F) {
	f.Add([]byte(`{"itemsReceived":3,"itemsAccepted":1,"errors":[{"index":0,"statusCode":400,"message":"x"},{"index":2,"statusCode":503}]}`))
	f.Add([]byte(`{"errors":[{"index":-1,"statusCode":500},{"index":1,"statusCode":500},{"index":1,"statusCode":400}]}`))
	f.Add([]byte(`{"errors":null}`))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, body []byte) {
		items := make([]Item, 3)
		got, err := partially(items, &post.Answer{Status: http.StatusPartialContent, Body: body, Header: http.Header{}})
		if n := int64(len(got.Again)) + got.Rejected; n > 3 || (len(got.Again) > 0) != (err != nil) {
			t.Errorf("partially(%s) = %d again, %d rejected, %v", body, len(got.Again), got.Rejected, err)
		}
	})
}

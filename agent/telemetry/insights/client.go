// Package insights speaks to Application Insights, as far as its ingestion
// endpoint (/v2.1/track) takes what SDKs send.
//
// [Source] makes items of events and spans, [Client.Send] sends some once and
// returns those that are worth sending again. Everything of a transfer has its
// id as operation id. Nothing is sampled.
package insights

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"mft.dev/mft/agent/config/collector"
	"mft.dev/mft/agent/telemetry/post"
)

// A Client sends to one resource. Methods may be called concurrently.
type Client struct {
	agent      string
	connection func() (collector.Connection, error)
	post       *post.Client
}

// timeout is how long one request may take.
const timeout = 30 * time.Second

// New returns a client, which connects when it sends. connection is asked each
// time, so that what was renewed is used; agent says which program it is.
func New(agent string, connection func() (collector.Connection, error)) *Client {
	return &Client{agent: agent, connection: connection, post: post.New(post.Options{Follow: true, Timeout: timeout})}
}

// Close closes connections; a later Send opens new ones.
func (c *Client) Close() { c.post.Forget() }

// A Result is what became of items.
type Result struct {
	// Again are those that were not taken and may be taken later.
	Again []Item
	// Rejected counts those that were refused for good; Says is why one of
	// them was.
	Rejected int64
	Says     string
}

// An answer is what the endpoint says of the items of one request.
type answer struct {
	Received int `json:"itemsReceived"`
	Accepted int `json:"itemsAccepted"`
	Errors   []struct {
		Index   int    `json:"index"`
		Status  int    `json:"statusCode"`
		Message string `json:"message"`
	} `json:"errors"`
}

// Send sends items once. With an error of type *post.Refusal nothing of them was
// taken but what Result says; other errors mean that Azure cannot be reached.
func (c *Client) Send(ctx context.Context, items []Item) (Result, error) {
	to, err := c.connection()
	if err != nil {
		return Result{Again: items}, err
	}
	body, err := marshal(items, to.Key)
	if err != nil {
		return Result{Again: items}, err
	}
	header := http.Header{}
	header.Set("Content-Type", "application/json")
	header.Set("Content-Encoding", "gzip")
	header.Set("User-Agent", c.agent)
	got, err := c.post.Do(ctx, to.Ingestion+"/v2.1/track", header, post.Zip(body))
	if err != nil {
		return Result{Again: items}, err
	}
	if got.Status != http.StatusPartialContent {
		return Result{}, nil
	}
	return partially(items, got)
}

// partially reads an answer that some items were not taken. One that names none
// is believed to have taken those.
func partially(items []Item, got *post.Answer) (Result, error) {
	var a answer
	if err := json.Unmarshal(got.Body, &a); err != nil {
		return Result{Again: items}, &post.Refusal{Status: http.StatusBadGateway, Body: []byte("206 without saying which items it took")}
	}
	var out Result
	status, says := 0, ""
	done := map[int]bool{}
	for _, e := range a.Errors {
		if e.Index < 0 || e.Index >= len(items) || done[e.Index] {
			continue
		}
		done[e.Index] = true
		if retryable(e.Status) {
			out.Again = append(out.Again, items[e.Index])
			status, says = e.Status, e.Message
			continue
		}
		out.Rejected++
		out.Says = post.Plain([]byte(e.Message))
	}
	if len(out.Again) == 0 {
		return out, nil
	}
	return out, &post.Refusal{Status: status, Body: []byte(says), RetryIn: post.RetryAfter(got.Header.Get("Retry-After"), time.Now())}
}

// retryable reports whether an item that was refused with a status may be taken
// later: 402 and 439 stand for quotas that are used up.
func retryable(status int) bool {
	switch status {
	case http.StatusPaymentRequired, http.StatusRequestTimeout, http.StatusTooManyRequests, 439,
		http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout,
		http.StatusUnauthorized, http.StatusForbidden:
		return true
	}
	return false
}

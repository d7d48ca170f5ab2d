package link

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"mft.dev/mft/identity"
	"mft.dev/mft/link/entrance"
	"mft.dev/mft/link/wire"
)

// TestLimitsAreDocumented holds the table of limits in docs/security.md to the
// program.
func TestLimitsAreDocumented(t *testing.T) {
	rows := []struct {
		what   string
		limit  any
		beyond string
	}{
		{"connections that are not useful yet, of everybody", entrance.MaxPending, "the oldest is closed"},
		{"the same, of one IPv4 address or IPv6 /64", entrance.MaxPendingOf, "its oldest is closed"},
		{"time for handshake, hello, join request, or a data connection's conversation", entrance.GreetWithin, "closed"},
		{"time to dial, handshake included; to wait for a data connection", dialWithin, "UNREACHABLE, TIMEOUT"},
		{"control connections with one peer", maxConnections, "the oldest is closed"},
		{"conversations of one control connection", maxConversations, "refused with BUSY"},
		{"envelopes of one conversation that nobody has read", inboxSize, "that conversation ends"},
		{"time for one control frame to leave", wire.WriteWithin, "the connection ends"},
		{fmt.Sprintf("silence of a peer, which is pinged every %v", wire.PingEvery), wire.DeadAfter, "the connection ends"},
		{"life of an envelope of this agent", envelopeLife, "refused with EXPIRED"},
		{"life of an invitation", identity.InviteLife, "refused"},
	}
	var want strings.Builder
	want.WriteString("<!-- limits -->\n| what | limit | beyond it |\n|---|---|---|\n")
	for _, r := range rows {
		fmt.Fprintf(&want, "| %s | %v | %s |\n", r.what, r.limit, r.beyond)
	}
	want.WriteString("<!-- end -->\n")
	page, err := os.ReadFile("../docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	if text := strings.ReplaceAll(string(page), "\r\n", "\n"); !strings.Contains(text, want.String()) {
		t.Errorf("docs/security.md does not contain this table:\n%s", want.String())
	}
}

package attribute

import (
	"strings"
	"testing"
	"unicode/utf8"

	"mft.dev/mft"
)

func TestEventName(t *testing.T) {
	some := mft.TransferID{1}
	for _, tt := range []struct {
		e    mft.Event
		want string
	}{
		{mft.Event{Kind: mft.EventMoving, Transfer: some}, "mft.transfer.moving"},
		{mft.Event{Kind: "exit-started", Transfer: some}, "mft.transfer.exit_started"},
		{mft.Event{Kind: mft.EventAgentStarted}, "mft.agent.started"},
		{mft.Event{Kind: mft.EventLinkDown}, "mft.link.down"},
	} {
		if got := EventName(tt.e); got != tt.want {
			t.Errorf("EventName(%s) = %s, want %s", tt.e.Kind, got, tt.want)
		}
	}
}

func TestSeverity(t *testing.T) {
	for _, tt := range []struct {
		e    mft.Event
		want Severity
	}{
		{mft.Event{Kind: mft.EventDone}, Info},
		{mft.Event{Kind: mft.EventCancelled, Code: mft.CodeCancelled}, Info},
		{mft.Event{Kind: mft.EventWaiting, Code: mft.CodeBusy}, Warn},
		{mft.Event{Kind: mft.EventItem, Code: mft.CodeIO}, Warn},
		{mft.Event{Kind: mft.EventFailed, Code: mft.CodePartial}, Error},
		{mft.Event{Kind: mft.EventRejected, Code: mft.CodeNotAllowed}, Error},
		{mft.Event{Kind: mft.EventLinkDown, Code: mft.CodeDisconnected}, Warn},
	} {
		if got := SeverityOf(tt.e); got != tt.want {
			t.Errorf("SeverityOf(%s %s) = %s, want %s", tt.e.Kind, tt.e.Code, got, tt.want)
		}
	}
}

func TestBody(t *testing.T) {
	e := mft.Event{Kind: mft.EventFailed, Code: mft.CodeIO, Detail: strings.Repeat("é\xff", maxBody)}
	if got := Body(e, false); got != "failed: IO_ERROR" {
		t.Errorf("Body without details = %q", got)
	}
	if got := Body(e, true); !utf8.ValidString(got) || len(got) > 2*maxBody || !strings.HasPrefix(got, "failed: IO_ERROR: é\uFFFD") {
		t.Errorf("Body has %d bytes, valid %t", len(got), utf8.ValidString(got))
	}
}

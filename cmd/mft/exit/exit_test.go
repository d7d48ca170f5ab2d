package exit

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"mft.dev/mft"
)

func TestOf(t *testing.T) {
	tests := []struct {
		name string
		err  error
		want Status
	}{
		{"nothing", nil, OK},
		{"no code", errors.New("x"), Failed},
		{"usage", Misused("x"), Usage},
		{"bad name", mft.Fail(mft.CodeBadName, "", "", nil), Usage},
		{"no agent", mft.Fail(mft.CodeNotRunning, "", "", nil), NotRunning},
		{"no answer", mft.Fail(mft.CodeNoAnswer, "", "", nil), NoAnswer},
		{"cancelled", mft.Fail(mft.CodeCancelled, "", "", nil), Cancelled},
		{"partial", mft.Fail(mft.CodePartial, "", "", nil), Partial},
		{"configuration", fmt.Errorf("loading: %w", mft.Fail(mft.CodeConfig, "", "", nil)), Config},
		{"any other", mft.Fail(mft.CodeNoSpace, "", "", nil), Failed},
		{"said already", Ended{StillRunning}, StillRunning},
		{"said already, joined", errors.Join(Ended{Partial}, nil), Partial},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := Of(tt.err); got != tt.want {
				t.Errorf("Of(%v) = %d, want %d", tt.err, got, tt.want)
			}
		})
	}
}

func TestOfTransfer(t *testing.T) {
	tests := []struct {
		name  string
		state mft.State
		code  mft.Code
		want  Status
	}{
		{"done", mft.StateDone, "", OK},
		{"done in part", mft.StateDone, mft.CodePartial, Partial},
		{"failed in part", mft.StateFailed, mft.CodePartial, Partial},
		{"rejected", mft.StateRejected, mft.CodeNotAllowed, Rejected},
		{"cancelled", mft.StateCancelled, mft.CodeCancelled, Cancelled},
		{"failed", mft.StateFailed, mft.CodePermission, Failed},
		{"running", mft.StateRunning, "", StillRunning},
		{"waiting", mft.StateWaiting, mft.CodeNoSpace, StillRunning},
		{"delivered is not done", mft.StateDelivered, "", StillRunning},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := OfTransfer(tt.state, tt.code); got != tt.want {
				t.Errorf("OfTransfer(%s, %s) = %d, want %d", tt.state, tt.code, got, tt.want)
			}
		})
	}
}

func TestTogether(t *testing.T) {
	tests := []struct {
		name string
		each []Status
		want Status
	}{
		{"none", nil, OK},
		{"one", []Status{Rejected}, Rejected},
		{"all well", []Status{OK, OK}, OK},
		{"all the same", []Status{Rejected, Rejected}, Rejected},
		{"one of them", []Status{OK, Rejected}, Partial},
		{"one in part", []Status{Partial, Rejected}, Partial},
		{"none, for different reasons", []Status{Rejected, Cancelled}, Failed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := Together(tt.each); got != tt.want {
				t.Errorf("Together(%v) = %d, want %d", tt.each, got, tt.want)
			}
		})
	}
}

func TestComplain(t *testing.T) {
	tests := []struct {
		name string
		err  error
		want string
	}{
		{"nothing", nil, ""},
		{"said already", Ended{Failed}, ""},
		{
			"coded", mft.Fail(mft.CodeNotFound, "open", "/srv/x", nil),
			"mft: open \"/srv/x\": there is no such file or directory [NOT_FOUND]\nremedy: check the path on the host that is named\n",
		},
		{
			"usage", Misused("mft copy needs a FILE"),
			"mft: mft copy needs a FILE [USAGE]\nremedy: see `mft help COMMAND`\n",
		},
		{
			"wrapped", fmt.Errorf("inviting: %w", mft.Fail(mft.CodeBusy, "invite", "", nil)),
			"mft: inviting: invite: the peer has as many transfers as it takes at once [BUSY]\nremedy: nothing: it is tried again\n",
		},
		{
			"joined", errors.Join(mft.Fail(mft.CodeExists, "open", "", nil), errors.New("and more")),
			"mft: open: a file of that name is already there [EXISTS]\nand more [EXISTS]\nremedy: use --overwrite=true, or another destination path\n",
		},
		{
			"a peer that plays tricks", mft.Fail(mft.CodeExists, "", "", errors.New("clear \x1b[2J")),
			"mft: clear \\x1b[2J [EXISTS]\nremedy: use --overwrite=true, or another destination path\n",
		},
		{"no code", errors.New("x"), "mft: x [OTHER_ERROR]\nremedy: see the sentence and the log\n"},
		{"interrupted", fmt.Errorf("asking: %w", context.Canceled), "mft: interrupted [CANCELLED]\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var b strings.Builder
			Complain(&b, tt.err)
			if got := b.String(); got != tt.want {
				t.Errorf("Complain(%v)\n got %q\nwant %q", tt.err, got, tt.want)
			}
		})
	}
}

func TestMeaningsAreComplete(t *testing.T) {
	for i, m := range Meanings() {
		if int(m.Status) != i {
			t.Errorf("meaning %d is that of status %d", i, m.Status)
		}
		if m.Text == "" {
			t.Errorf("status %d has no words", m.Status)
		}
	}
	if n := len(Meanings()); n != int(NoAnswer)+1 {
		t.Errorf("Meanings has %d statuses, want %d", n, NoAnswer+1)
	}
}

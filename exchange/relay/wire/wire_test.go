package wire

import (
	"bytes"
	"errors"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"mft.dev/mft"
)

func TestDecode(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		want       mft.Code
	}{
		{"as it is sent", `{"most":3,"lease_ms":1000,"wait_ms":0}`, mft.CodeOK},
		{"an unknown key", `{"most":3,"more":1}`, mft.CodeProtocol},
		{"two values", `{"most":3}{"most":4}`, mft.CodeProtocol},
		{"a list", `[]`, mft.CodeProtocol},
		{"nothing", ``, mft.CodeProtocol},
		{"a number that does not fit", `{"most":1e99}`, mft.CodeProtocol},
		{"too long", `{"most":3` + strings.Repeat(" ", MaxOrder) + `}`, mft.CodeTooLarge},
	} {
		var v Take
		if err := Decode(strings.NewReader(tt.text), MaxOrder, &v); mft.CodeOf(err) != tt.want {
			t.Errorf("Decode of %s: %v, want code %s", tt.name, err, tt.want)
		}
	}
}

func TestBlock(t *testing.T) {
	for text, want := range map[string]mft.Code{
		"0": mft.CodeOK, "49999": mft.CodeOK, "50000": mft.CodeTooLarge, "-1": mft.CodeUsage, "+1": mft.CodeUsage,
		"01": mft.CodeUsage, "": mft.CodeUsage, "1e3": mft.CodeUsage, "99999999999999999999": mft.CodeUsage, "../1": mft.CodeUsage,
	} {
		if n, err := Block(text); mft.CodeOf(err) != want {
			t.Errorf("Block(%q): %d, %v; want code %s", text, n, err, want)
		}
	}
}

func TestSpan(t *testing.T) {
	for ms, want := range map[int64]mft.Code{0: mft.CodeUsage, -1: mft.CodeUsage, 1: mft.CodeOK, 60_000: mft.CodeOK, 60_001: mft.CodeUsage, 1 << 62: mft.CodeUsage} {
		if d, err := Span(ms, time.Minute); mft.CodeOf(err) != want {
			t.Errorf("Span(%d): %v, %v; want code %s", ms, d, err, want)
		}
	}
}

func TestCheckRef(t *testing.T) {
	good := RefPrefix + strings.Repeat("a", 43)
	if err := CheckRef(good); err != nil {
		t.Errorf("CheckRef(%q): %v", good, err)
	}
	for _, bad := range []string{"", RefPrefix, good + "a", good[1:], strings.ToUpper(good), good[:len(good)-1] + "/", "https://" + good} {
		if err := CheckRef(bad); mft.CodeOf(err) != mft.CodeBadPath {
			t.Errorf("CheckRef(%q): %v, want code %s", bad, err, mft.CodeBadPath)
		}
	}
}

// TestRefusals: what the relay refuses comes to the agent with the code that its
// contract has for it.
func TestRefusals(t *testing.T) {
	means := map[mft.Code]mft.Code{
		mft.CodeBusy: mft.CodeUnreachable, mft.CodeMaintenance: mft.CodeUnreachable, mft.CodeTimeout: mft.CodeDisconnected,
		mft.CodeJournal: mft.CodeUnreachable, mft.CodeIO: mft.CodeUnreachable, mft.CodeOther: mft.CodeUnreachable,
		mft.CodeInternal: mft.CodeUnreachable,
	}
	for _, code := range append(mft.Codes()[1:], "MADE_UP") {
		const secret = "/srv/relay/objects/7"
		status, p, told := Refusal(mft.Fail(code, "do", secret, errors.New("because of that")))
		err := Error("do", "it", status, Encode(p))
		want := code
		if m, ok := means[code]; ok {
			want = m
		} else if !told {
			want = mft.CodeUnreachable
		}
		if mft.CodeOf(err) != want {
			t.Errorf("%s crosses the wire as status %d and comes as %v, want code %s", code, status, err, want)
		}
		if strings.Contains(err.Error(), secret) {
			t.Errorf("the refusal tells what is the relay's alone: %v", err)
		}
		if strings.Contains(err.Error(), "because of that") != told {
			t.Errorf("%s: told is %v, and the agent reads %q", code, told, err)
		}
	}
}

// TestForeignAnswers: an answer of something else is never taken for one of a relay.
func TestForeignAnswers(t *testing.T) {
	for _, tt := range []struct {
		name   string
		status int
		body   string
		want   mft.Code
	}{
		{"a web server", http.StatusNotFound, "<html>not found</html>", mft.CodeProtocol},
		{"a proxy that is down", http.StatusBadGateway, "", mft.CodeUnreachable},
		{"a redirection", http.StatusFound, "", mft.CodeProtocol},
		{"a code with another status", http.StatusOK, `{"code":"NOT_FOUND","detail":""}`, mft.CodeUnreachable},
		{"a code that is not for a relay to say", http.StatusForbidden, `{"code":"CANCELLED","detail":"x"}`, mft.CodeUnreachable},
		{"a code that nobody knows", http.StatusForbidden, `{"code":"GO_AWAY","detail":"x"}`, mft.CodeUnreachable},
	} {
		if err := Error("do", "it", tt.status, []byte(tt.body)); mft.CodeOf(err) != tt.want {
			t.Errorf("Error of %s: %v, want code %s", tt.name, err, tt.want)
		}
	}
}

// FuzzOrders: whatever comes as an order is refused or comes back as it was.
func FuzzOrders(f *testing.F) {
	for _, v := range []any{
		Take{Most: 32, Lease: 120_000, Wait: 50_000},
		Hold{ID: "12", Claim: strings.Repeat("ab", 16), Lease: 1},
		Publish{Blocks: 3},
		Life{Life: 1},
		Read{Ref: RefPrefix, Offset: 1 << 40, Length: MaxBlock},
	} {
		f.Add(Encode(v))
	}
	f.Add([]byte(`{"most":1}{}`))
	f.Add([]byte(`{"Most":1,"most":2}`))
	f.Fuzz(func(t *testing.T, content []byte) {
		for _, empty := range []func() any{
			func() any { return new(Take) }, func() any { return new(Hold) }, func() any { return new(Publish) },
			func() any { return new(Life) }, func() any { return new(Read) },
		} {
			at := empty()
			if err := Decode(bytes.NewReader(content), MaxOrder, at); err != nil {
				continue
			}
			once := Encode(at)
			again := empty()
			if err := Decode(bytes.NewReader(once), MaxAnswer, again); err != nil || !reflect.DeepEqual(at, again) {
				t.Errorf("%s was read and is read again as %+v, %v", once, again, err)
			}
		}
	})
}

// FuzzAnswers: whatever a relay answers becomes an error with a known code, short
// and printable, or a value.
func FuzzAnswers(f *testing.F) {
	f.Add(403, []byte(`{"code":"NOT_ALLOWED","detail":"no"}`))
	f.Add(200, Encode(Letters{Letters: []Letter{{ID: "1", Body: []byte("x"), Taken: 1, Claim: "c"}}}))
	f.Add(507, []byte("{\"code\":\"QUOTA_EXCEEDED\",\"detail\":\"\x00\xff\x1b[31m\"}"))
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		err := Error("do", "it", status, body)
		if !mft.CodeOf(err).Known() || mft.CodeOf(err).OK() || len(err.Error()) > 2*MaxDetail || !utf8.ValidString(err.Error()) ||
			strings.ContainsFunc(err.Error(), func(r rune) bool { return r < ' ' }) {
			t.Errorf("Error(%d, %q): %q with code %s", status, body, err, mft.CodeOf(err))
		}
		var l Letters
		_ = Decode(bytes.NewReader(body), MaxAnswer, &l)
		var o Objects
		_ = Decode(bytes.NewReader(body), MaxAnswer, &o)
	})
}

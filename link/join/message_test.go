package join

import (
	"bytes"
	"strings"
	"testing"

	"mft.dev/mft"
	"mft.dev/mft/identity"
	"mft.dev/mft/identity/sealing"
)

func TestMessages(t *testing.T) {
	statement := bytes.Repeat([]byte{7}, sealing.Size)
	request := Request{ID: identity.InviteID{1}, Name: "erp", Address: ":7420", Sealing: statement, Proof: identity.Proof{2}}
	good := request.Append(nil)
	tests := []struct {
		name string
		in   []byte
		want mft.Code
	}{
		{"as made", good, mft.CodeOK},
		{"no address", Request{Name: "erp"}.Append(nil), mft.CodeOK},
		{"empty", nil, mft.CodeProtocol},
		{"other version", append([]byte{9}, good[1:]...), mft.CodeVersion},
		{"short", good[:len(good)-1], mft.CodeProtocol},
		{"long", append(good[:len(good):len(good)], 0), mft.CodeProtocol},
		{"bad name", Request{Name: "ERP"}.Append(nil), mft.CodeProtocol},
		{"bad address", Request{Name: "erp", Address: "a"}.Append(nil), mft.CodeProtocol},
		{"long name", Request{Name: mft.AgentName(strings.Repeat("a", 64))}.Append(nil), mft.CodeProtocol},
		{"long sealing key", Request{Name: "erp", Sealing: make([]byte, 513)}.Append(nil), mft.CodeProtocol},
	}
	for _, tt := range tests {
		t.Run("request "+tt.name, func(t *testing.T) {
			_, err := ParseRequest(tt.in)
			wantCode(t, "ParseRequest", err, tt.want)
		})
	}
	answers := []struct {
		name string
		in   []byte
		want mft.Code
	}{
		{"welcome", Answer{Code: mft.CodeOK, Sealing: statement, Proof: identity.Proof{1}}.Append(nil), mft.CodeOK},
		{"refusal", Answer{Code: mft.CodeInvite, Detail: strings.Repeat("x", 5000)}.Append(nil), mft.CodeOK},
		{"unknown code", Answer{Code: "SURPRISE"}.Append(nil), mft.CodeOK},
		{"no code", Answer{}.Append(nil), mft.CodeProtocol},
		{"bad code", Answer{Code: "what is this"}.Append(nil), mft.CodeProtocol},
		{"empty", nil, mft.CodeProtocol},
	}
	for _, tt := range answers {
		t.Run("answer "+tt.name, func(t *testing.T) {
			_, err := ParseAnswer(tt.in)
			wantCode(t, "ParseAnswer", err, tt.want)
		})
	}
}

func FuzzParseRequest(f *testing.F) {
	f.Add(Request{Name: "erp", Address: "[::1]:7420", Sealing: []byte("key"), Proof: identity.Proof{1}}.Append(nil))
	f.Add([]byte{1})
	f.Add(bytes.Repeat([]byte{0xff}, 200))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := ParseRequest(b)
		if err == nil && !bytes.Equal(r.Append(nil), b) {
			t.Errorf("%x was read as %+v, which is written otherwise", b, r)
		}
	})
}

func FuzzParseAnswer(f *testing.F) {
	f.Add(Answer{Code: mft.CodeOK, Sealing: []byte("key"), Proof: identity.Proof{1}}.Append(nil))
	f.Add(Answer{Code: mft.CodeInvite, Detail: "no"}.Append(nil))
	f.Add([]byte{1, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := ParseAnswer(b)
		if err == nil && !bytes.Equal(a.Append(nil), b) {
			t.Errorf("%x was read as %+v, which is written otherwise", b, a)
		}
	})
}

func wantCode(t *testing.T, what string, err error, want mft.Code) {
	t.Helper()
	if got := mft.CodeOf(err); got != want {
		t.Errorf("%s: code %s (%v), want %s", what, got, err, want)
	}
}

package protocol

import (
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"mft.dev/mft"
)

func sampleOffer() mft.Offer {
	return mft.Offer{
		Destination: "/srv/in/", Overwrite: mft.OverwriteReplace, Compare: mft.CompareQuick,
		Announced: mft.Count{Items: 3, Bytes: 70000}, DataKey: [32]byte{0xd0, 31: 0xdf}, Streams: 4,
	}
}

func TestEnvelopeOpensItsBody(t *testing.T) {
	e := sampleEnvelope()
	for name, tc := range map[string]struct {
		kind Kind
		body []byte
		open func() (any, error)
		want any
	}{
		"offer": {
			KindOffer, AppendOffer(nil, new(sampleOffer())), func() (any, error) { return e.Offer() },
			func() mft.Offer {
				o := sampleOffer()
				o.Transfer, o.Sender, o.Recipient, o.Channel = e.Transfer, "erp", "ledger", "finance-nightly"
				return o
			}(),
		},
		"decision": {
			KindDecision, AppendDecision(nil, &mft.Decision{Code: mft.CodeBusy, RetryIn: time.Minute}),
			func() (any, error) { return e.Decision() },
			mft.Decision{Transfer: e.Transfer, Code: mft.CodeBusy, RetryIn: time.Minute},
		},
		"request": {
			KindRequest, AppendRequest(nil, &mft.Request{Path: "/srv/out/*.csv", Overwrite: mft.OverwriteNever, Compare: mft.CompareNone, Compress: mft.CompressAlways}),
			func() (any, error) { return e.Request() },
			mft.Request{Transfer: e.Transfer, Requester: "erp", Source: "ledger", Path: "/srv/out/*.csv", Overwrite: mft.OverwriteNever, Compare: mft.CompareNone, Compress: mft.CompressAlways},
		},
		"seal": {
			KindSeal, AppendSeal(nil, &mft.Seal{Failed: 2, Manifest: mft.Digest{1}}), func() (any, error) { return e.Seal() },
			mft.Seal{Transfer: e.Transfer, Failed: 2, Manifest: mft.Digest{1}},
		},
		"receipt": {
			KindReceipt, AppendReceipt(nil, &mft.Receipt{Code: mft.CodePartial, Failed: 1}), func() (any, error) { return e.Receipt() },
			mft.Receipt{Transfer: e.Transfer, Code: mft.CodePartial, Failed: 1},
		},
		"cancel": {
			KindCancel, AppendCancel(nil, &Cancel{Code: mft.CodeCancelled, Detail: "enough"}), func() (any, error) { return e.Cancel() },
			Cancel{Transfer: e.Transfer, Code: mft.CodeCancelled, Detail: "enough"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			e.Kind, e.Body = tc.kind, tc.body
			if got, err := tc.open(); err != nil || !reflect.DeepEqual(got, tc.want) {
				t.Errorf("got %+v, %v, want %+v", got, err, tc.want)
			}
			e.Body = tc.body[:len(tc.body)-1]
			got, err := tc.open()
			wantError(t, "with a body cut off", err, mft.CodeProtocol, "read "+name)
			if !reflect.ValueOf(got).IsZero() {
				t.Errorf("with a body cut off: %+v, want the zero value", got)
			}
			e.Body, e.Kind = tc.body, tc.kind%KindCancel+1
			_, err = tc.open()
			wantError(t, "with another kind", err, mft.CodeProtocol, "kind: "+e.Kind.String()+" instead of "+name)
		})
	}
}

func TestBodiesRefuse(t *testing.T) {
	offer := func(change func(o *mft.Offer)) []byte {
		o := sampleOffer()
		change(&o)
		return AppendOffer(nil, &o)
	}
	parseOffer := func(p []byte) error { _, err := ParseOffer(p); return err }
	parseRequest := func(p []byte) error { _, err := ParseRequest(p); return err }
	parseDecision := func(p []byte) error { _, err := ParseDecision(p); return err }
	parseSeal := func(p []byte) error { _, err := ParseSeal(p); return err }
	for name, tc := range map[string]struct {
		parse func(p []byte) error
		body  []byte
		code  mft.Code
		words string
	}{
		"offer: NUL in destination":     {parseOffer, offer(func(o *mft.Offer) { o.Destination = "/a\x00b" }), mft.CodeBadPath, "destination:"},
		"offer: long destination":       {parseOffer, offer(func(o *mft.Offer) { o.Destination = strings.Repeat("d", MaxPath+1) }), mft.CodeProtocol, "destination:"},
		"offer: requested, with path":   {parseOffer, offer(func(o *mft.Offer) { o.Requested = true }), mft.CodeProtocol, "destination:"},
		"offer: no overwrite policy":    {parseOffer, offer(func(o *mft.Offer) { o.Overwrite = "" }), mft.CodeProtocol, "overwrite:"},
		"offer: unknown policy":         {parseOffer, offer(func(o *mft.Offer) { o.Overwrite = "merge" }), mft.CodeProtocol, "overwrite:"},
		"offer: items below zero":       {parseOffer, offer(func(o *mft.Offer) { o.Announced.Items = -1 }), mft.CodeProtocol, "items:"},
		"offer: bytes below zero":       {parseOffer, offer(func(o *mft.Offer) { o.Announced.Bytes = -1 }), mft.CodeProtocol, "bytes:"},
		"offer: no stream":              {parseOffer, offer(func(o *mft.Offer) { o.Streams = 0 }), mft.CodeProtocol, "streams:"},
		"offer: too many streams":       {parseOffer, offer(func(o *mft.Offer) { o.Streams = MaxStreams + 1 }), mft.CodeProtocol, "streams:"},
		"offer: streams below zero":     {parseOffer, offer(func(o *mft.Offer) { o.Streams = -1 }), mft.CodeProtocol, "streams:"},
		"offer: flag of 2":              {parseOffer, append([]byte{1, '/', 2}, make([]byte, 50)...), mft.CodeProtocol, "single:"},
		"offer: policy of 5":            {parseOffer, append([]byte{1, '/', 0, 0, 5}, make([]byte, 50)...), mft.CodeProtocol, "overwrite:"},
		"request: empty path":           {parseRequest, []byte{0, 1, 0, 0}, mft.CodeBadPath, "path:"},
		"request: NUL in path":          {parseRequest, []byte{2, '/', 0, 1, 0, 0}, mft.CodeBadPath, "path:"},
		"request: policy of 3":          {parseRequest, []byte{1, '/', 1, 0, 3}, mft.CodeProtocol, "compress:"},
		"decision: small letters":       {parseDecision, append([]byte("\x02ok\x00\x00"), make([]byte, 33)...), mft.CodeProtocol, "code:"},
		"decision: empty code":          {parseDecision, append([]byte("\x00\x00\x00"), make([]byte, 33)...), mft.CodeProtocol, "code:"},
		"decision: long code":           {parseDecision, append([]byte("\x21"), make([]byte, 80)...), mft.CodeProtocol, "code:"},
		"decision: detail not UTF-8":    {parseDecision, append([]byte("\x02OK\x01\xff\x00"), make([]byte, 33)...), mft.CodeProtocol, "detail:"},
		"decision: long detail":         {parseDecision, append([]byte("\x02OK\x81\x08"), make([]byte, 2000)...), mft.CodeProtocol, "detail:"},
		"decision: waiting for years":   {parseDecision, append([]byte("\x02OK\x00\xff\xff\xff\xff\xff\xff\xff\x7f"), make([]byte, 33)...), mft.CodeProtocol, "retry in:"},
		"seal: failed below zero":       {parseSeal, AppendSeal(nil, &mft.Seal{Failed: -1}), mft.CodeProtocol, "failed:"},
		"seal: number in a longer form": {parseSeal, append([]byte{0x80, 0x00}, make([]byte, 34)...), mft.CodeProtocol, "items:"},
	} {
		t.Run(name, func(t *testing.T) {
			wantError(t, "Parse", tc.parse(tc.body), tc.code, tc.words)
		})
	}
}

// TestReasonsAlwaysArrive: a failure must not fail to be told.
func TestReasonsAlwaysArrive(t *testing.T) {
	long := strings.Repeat("é", MaxDetail)
	for name, tc := range map[string]struct {
		code     mft.Code
		detail   string
		wantCode mft.Code
		want     string
	}{
		"usual":                  {mft.CodeBusy, "later", mft.CodeBusy, "later"},
		"a code of the future":   {"NEW_CODE", "", "NEW_CODE", ""},
		"no code":                {"", "", mft.CodeOK, ""},
		"a malformed code":       {"no such", "x", mft.CodeOther, "x"},
		"a long code":            {mft.Code(strings.Repeat("A", MaxCode+1)), "", mft.CodeOther, ""},
		"a long detail":          {mft.CodeIO, long, mft.CodeIO, long[:MaxDetail]},
		"cut inside a letter":    {mft.CodeIO, "x" + long, mft.CodeIO, ("x" + long)[:MaxDetail-1]},
		"bytes that are no text": {mft.CodeIO, "a\xff\xfeb", mft.CodeIO, "a\ufffdb"},
		"exactly the limit":      {mft.CodeIO, strings.Repeat("x", MaxDetail), mft.CodeIO, strings.Repeat("x", MaxDetail)},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ParseCancel(AppendCancel(nil, &Cancel{Code: tc.code, Detail: tc.detail}))
			if err != nil || got.Code != tc.wantCode || got.Detail != tc.want {
				t.Errorf("got %q, %q, %v, want %q, %q", got.Code, got.Detail, err, tc.wantCode, tc.want)
			}
			if !utf8.ValidString(got.Detail) {
				t.Errorf("%q is not UTF-8", got.Detail)
			}
		})
	}
}

func TestRetryInIsHeldWithinItsLimits(t *testing.T) {
	for give, want := range map[time.Duration]time.Duration{
		-time.Second: 0, 0: 0, 90 * time.Second: 90 * time.Second, MaxRetryIn + 1: MaxRetryIn,
	} {
		d, err := ParseDecision(AppendDecision(nil, &mft.Decision{Code: mft.CodeBusy, RetryIn: give}))
		if err != nil || d.RetryIn != want {
			t.Errorf("RetryIn %v arrives as %v, %v, want %v", give, d.RetryIn, err, want)
		}
	}
}

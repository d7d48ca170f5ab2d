package protocol

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
	"time"

	"mft.dev/mft"
)

// noon is a moment for tests.
var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func sampleEnvelope() *Envelope {
	id, _ := mft.ParseTransferID("0192f0c1-2d5b-7c3a-8e4f-0123456789ab")
	return &Envelope{
		Version: Version, Kind: KindOffer, Transfer: id, Sender: "erp", Recipient: "ledger",
		Channel: "finance-nightly", Sequence: 300, Nonce: Nonce{0xa0, 15: 0xaf},
		Issued: noon, Expires: noon.Add(time.Hour), Body: []byte("body"),
		KeyID: KeyID{0xb0, 15: 0xbf}, Signature: []byte("signature"),
	}
}

// changes alters each field that has effect, one at a time.
func changes() map[string]func(e *Envelope) {
	return map[string]func(e *Envelope){
		"version":        func(e *Envelope) { e.Version++ },
		"kind":           func(e *Envelope) { e.Kind = KindSeal },
		"transfer":       func(e *Envelope) { e.Transfer[0]++ },
		"sender":         func(e *Envelope) { e.Sender = "erp2" },
		"recipient":      func(e *Envelope) { e.Recipient = "ledger2" },
		"channel":        func(e *Envelope) { e.Channel = "" },
		"sequence":       func(e *Envelope) { e.Sequence++ },
		"nonce":          func(e *Envelope) { e.Nonce[15]++ },
		"issued":         func(e *Envelope) { e.Issued = e.Issued.Add(time.Millisecond) },
		"expires":        func(e *Envelope) { e.Expires = e.Expires.Add(time.Millisecond) },
		"body":           func(e *Envelope) { e.Body = []byte("bodY") },
		"key id":         func(e *Envelope) { e.KeyID[0]++ },
		"channel ↔ body": func(e *Envelope) { e.Channel, e.Body = e.Channel+"b", []byte("ody") },
		"sender ↔ recipient": func(e *Envelope) {
			e.Sender, e.Recipient = "erpl", "edger"
		},
	}
}

func TestSigningBytesCoverEveryField(t *testing.T) {
	fixed := sampleEnvelope().SigningBytes()
	if got := sampleEnvelope().SigningBytes(); !bytes.Equal(got, fixed) {
		t.Fatalf("SigningBytes of equal envelopes differ")
	}
	for name, change := range changes() {
		t.Run(name, func(t *testing.T) {
			e := sampleEnvelope()
			change(e)
			if bytes.Equal(e.SigningBytes(), fixed) {
				t.Errorf("SigningBytes stayed the same")
			}
		})
	}
	e := sampleEnvelope()
	e.Signature = []byte("another")
	if !bytes.Equal(e.SigningBytes(), fixed) {
		t.Errorf("SigningBytes depend on the signature")
	}
	// A field that somebody adds must get a change above.
	if got, want := reflect.TypeFor[Envelope]().NumField(), len(changes())-2+1; got != want {
		t.Errorf("Envelope has %d fields, the test knows %d", got, want)
	}
}

func TestSigningBytesAreLabelAndWireForm(t *testing.T) {
	e := sampleEnvelope()
	want := append([]byte("mft/1 envelope\x00"), AppendEnvelope(nil, e)...)
	want = want[:len(want)-1-len(e.Signature)]
	if got := e.SigningBytes(); !bytes.Equal(got, want) {
		t.Errorf("SigningBytes = %x, want %x", got, want)
	}
	parsed, err := ParseEnvelope(AppendEnvelope(nil, e))
	if err != nil {
		t.Fatal(err)
	}
	if got := parsed.SigningBytes(); !bytes.Equal(got, want) {
		t.Errorf("SigningBytes after the wire = %x, want %x", got, want)
	}
}

func TestTimesBelowAMillisecondAreNotSigned(t *testing.T) {
	e := sampleEnvelope()
	e.Issued = e.Issued.Add(999 * time.Microsecond)
	got, err := ParseEnvelope(AppendEnvelope(nil, e))
	if err != nil {
		t.Fatal(err)
	}
	if !got.Issued.Equal(noon) || !bytes.Equal(got.SigningBytes(), e.SigningBytes()) {
		t.Errorf("Issued = %v, want %v and the same signing bytes", got.Issued, noon)
	}
}

func TestParseEnvelopeRefuses(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(e *Envelope)
		code   mft.Code
		field  string
	}{
		"version 0":            {func(e *Envelope) { e.Version = 0 }, mft.CodeVersion, "version"},
		"a later version":      {func(e *Envelope) { e.Version = 2 }, mft.CodeVersion, "version"},
		"kind 0":               {func(e *Envelope) { e.Kind = 0 }, mft.CodeProtocol, "kind"},
		"kind 15":              {func(e *Envelope) { e.Kind = 15 }, mft.CodeProtocol, "kind"},
		"no transfer":          {func(e *Envelope) { e.Transfer = mft.TransferID{} }, mft.CodeProtocol, "transfer"},
		"no sender":            {func(e *Envelope) { e.Sender = "" }, mft.CodeProtocol, "sender"},
		"a sender's capitals":  {func(e *Envelope) { e.Sender = "ERP" }, mft.CodeProtocol, "sender"},
		"a reserved recipient": {func(e *Envelope) { e.Recipient = "publickeys" }, mft.CodeProtocol, "recipient"},
		"a path as recipient":  {func(e *Envelope) { e.Recipient = "../x" }, mft.CodeProtocol, "recipient"},
		"a long channel":       {func(e *Envelope) { e.Channel = strings.Repeat("c", MaxChannel+1) }, mft.CodeProtocol, "channel"},
		"escapes in a channel": {func(e *Envelope) { e.Channel = "\x1b[2J" }, mft.CodeProtocol, "channel"},
		"latin1 in a channel":  {func(e *Envelope) { e.Channel = "\xe9" }, mft.CodeProtocol, "channel"},
		"a sequence of 64 bit": {func(e *Envelope) { e.Sequence = 1 << 63 }, mft.CodeProtocol, "sequence"},
		"a time before 1970":   {func(e *Envelope) { e.Issued = time.UnixMilli(-1) }, mft.CodeProtocol, "issued"},
		"the year 10000":       {func(e *Envelope) { e.Expires = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) }, mft.CodeProtocol, "expires"},
		"no time":              {func(e *Envelope) { e.Expires = time.Time{} }, mft.CodeProtocol, "expires"},
		"a large body":         {func(e *Envelope) { e.Body = make([]byte, MaxBody+1) }, mft.CodeProtocol, "body"},
		"a large signature":    {func(e *Envelope) { e.Signature = make([]byte, MaxSignature+1) }, mft.CodeProtocol, "signature"},
	} {
		t.Run(name, func(t *testing.T) {
			e := sampleEnvelope()
			tc.change(e)
			_, err := ParseEnvelope(AppendEnvelope(nil, e))
			wantError(t, "ParseEnvelope", err, tc.code, tc.field+":")
		})
	}
}

// wantError checks that err has the code and says the words.
func wantError(t *testing.T, call string, err error, code mft.Code, words string) {
	t.Helper()
	if got := mft.CodeOf(err); got != code {
		t.Errorf("%s: error %v has code %s, want %s", call, err, got, code)
	} else if err != nil && !strings.Contains(err.Error(), words) {
		t.Errorf("%s: error %q, want it to say %q", call, err, words)
	}
}

func TestParseEnvelopeTakesTheLargest(t *testing.T) {
	e := sampleEnvelope()
	e.Body, e.Signature = make([]byte, MaxBody), make([]byte, MaxSignature)
	e.Channel = strings.Repeat("c", MaxChannel)
	p := AppendEnvelope(nil, e)
	if len(p) > MaxControl {
		t.Errorf("the largest envelope has %d bytes, more than a control frame's %d", len(p), MaxControl)
	}
	if _, err := ParseEnvelope(p); err != nil {
		t.Errorf("ParseEnvelope of the largest: %v", err)
	}
}

func TestParseEnvelopeSharesNoMemory(t *testing.T) {
	p := AppendEnvelope(nil, sampleEnvelope())
	got, err := ParseEnvelope(p)
	if err != nil {
		t.Fatal(err)
	}
	clear(p)
	if want := sampleEnvelope(); !reflect.DeepEqual(got, want) {
		t.Errorf("after clearing the input: %+v, want %+v", got, want)
	}
}

func TestCheckTimes(t *testing.T) {
	for name, tc := range map[string]struct {
		issued, expires time.Duration // from noon, which is now
		words           string        // empty when it is valid
	}{
		"now":                         {0, time.Hour, ""},
		"a moment":                    {0, 0, ""},
		"long ago, still valid":       {-13 * 24 * time.Hour, time.Hour, ""},
		"expired within the skew":     {-time.Hour, -MaxClockSkew, ""},
		"expired beyond the skew":     {-time.Hour, -MaxClockSkew - time.Millisecond, "it expired at"},
		"issued within the skew":      {MaxClockSkew, time.Hour, ""},
		"issued beyond the skew":      {MaxClockSkew + time.Millisecond, time.Hour, "here it is only"},
		"expires before it is issued": {time.Second, 0, "before it was issued"},
		"the longest life":            {0, MaxLifetime, ""},
		"more than the longest life":  {0, MaxLifetime + time.Millisecond, "it would live"},
		"more than can be subtracted": {-50 * 365 * 24 * time.Hour, 290 * 365 * 24 * time.Hour, "it would live"},
	} {
		t.Run(name, func(t *testing.T) {
			e := sampleEnvelope()
			e.Issued, e.Expires = noon.Add(tc.issued), noon.Add(tc.expires)
			want := mft.CodeExpired
			if tc.words == "" {
				want = mft.CodeOK
			}
			wantError(t, "CheckTimes", e.CheckTimes(noon), want, tc.words)
		})
	}
}

func TestCheckAnswer(t *testing.T) {
	same := func(e *Envelope) {}
	swap := func(e *Envelope) { e.Sender, e.Recipient = e.Recipient, e.Sender }
	for name, tc := range map[string]struct {
		opening, answer Kind
		change          func(e *Envelope)
		words           string
	}{
		"decision to offer":          {KindOffer, KindDecision, swap, ""},
		"decision to request":        {KindRequest, KindDecision, swap, ""},
		"receipt to offer":           {KindOffer, KindReceipt, swap, ""},
		"seal after offer":           {KindOffer, KindSeal, same, ""},
		"abort by the receiver":      {KindOffer, KindAbort, swap, ""},
		"abort by the offerer":       {KindOffer, KindAbort, same, ""},
		"abort to request":           {KindRequest, KindAbort, swap, ""},
		"abort by the requester":     {KindRequest, KindAbort, same, "sender"},
		"abort of a cancel":          {KindCancel, KindAbort, same, "does not answer"},
		"a third agent aborts":       {KindOffer, KindAbort, func(e *Envelope) { e.Sender = "mallory" }, "sender"},
		"another attempt's abort":    {KindOffer, KindAbort, func(e *Envelope) { e.Nonce[3]++ }, "nonce"},
		"receipt of a parcel":        {KindAvailable, KindReceipt, swap, ""},
		"abort of a parcel":          {KindAvailable, KindAbort, swap, ""},
		"a seal after a parcel":      {KindAvailable, KindSeal, same, "does not answer"},
		"decision by the offerer":    {KindOffer, KindDecision, same, "sender"},
		"receipt by the offerer":     {KindOffer, KindReceipt, same, "sender"},
		"seal by the receiver":       {KindOffer, KindSeal, swap, "sender"},
		"traced":                     {KindTrace, KindTraced, swap, ""},
		"traced by the asker":        {KindTrace, KindTraced, same, "sender"},
		"a trace is refused":         {KindTrace, KindDecision, swap, ""},
		"traced to a rehearse":       {KindRehearse, KindTraced, swap, "does not answer"},
		"traced to an offer":         {KindOffer, KindTraced, swap, "does not answer"},
		"available to an offer":      {KindOffer, KindAvailable, swap, "does not answer"},
		"nothing answers an answer":  {KindTraced, KindTraced, swap, "does not answer"},
		"receipt to request":         {KindRequest, KindReceipt, swap, "does not answer"},
		"seal after request":         {KindRequest, KindSeal, same, "does not answer"},
		"decision to cancel":         {KindCancel, KindDecision, swap, "does not answer"},
		"decision to decision":       {KindDecision, KindDecision, swap, "does not answer"},
		"offer to request":           {KindRequest, KindOffer, swap, "does not answer"},
		"cancel to offer":            {KindOffer, KindCancel, same, "does not answer"},
		"a third agent answers":      {KindOffer, KindDecision, func(e *Envelope) { swap(e); e.Sender = "mallory" }, "sender"},
		"meant for a third agent":    {KindOffer, KindDecision, func(e *Envelope) { swap(e); e.Recipient = "mallory" }, "recipient"},
		"another transfer":           {KindOffer, KindDecision, func(e *Envelope) { swap(e); e.Transfer[3]++ }, "transfer"},
		"an earlier attempt's nonce": {KindOffer, KindDecision, func(e *Envelope) { swap(e); e.Nonce[3]++ }, "nonce"},
	} {
		t.Run(name, func(t *testing.T) {
			opening, answer := sampleEnvelope(), sampleEnvelope()
			opening.Kind, answer.Kind = tc.opening, tc.answer
			tc.change(answer)
			want := mft.CodeProtocol
			if tc.words == "" {
				want = mft.CodeOK
			}
			wantError(t, "CheckAnswer", answer.CheckAnswer(opening), want, tc.words)
		})
	}
}

func TestKinds(t *testing.T) {
	for k, want := range map[Kind]struct {
		name  string
		opens bool
	}{
		KindOffer: {"offer", true}, KindDecision: {"decision", false}, KindRequest: {"request", true},
		KindSeal: {"seal", false}, KindReceipt: {"receipt", false}, KindCancel: {"cancel", true}, KindAbort: {"abort", false},
		0: {"kind 0", false}, KindAvailable: {"available", true}, KindMarkers: {"markers", true}, KindMarked: {"marked", false}, KindRehearse: {"rehearse", true}, KindRehearsed: {"rehearsed", false}, KindTrace: {"trace", true}, KindTraced: {"traced", false}, 15: {"kind 15", false},
	} {
		if k.String() != want.name || k.Opens() != want.opens {
			t.Errorf("Kind(%d): %q opens=%t, want %q opens=%t", uint8(k), k.String(), k.Opens(), want.name, want.opens)
		}
	}
}

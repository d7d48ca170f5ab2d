package account

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azqueue/v2/queueerror"

	"mft.dev/mft"
	"mft.dev/mft/exchange"
	"mft.dev/mft/exchange/response"
)

// The errors of the SDK quote URLs with their signatures, and bodies with what
// was signed. So none of them is passed on: what is useful of one is put in
// other words, and only the ends of a context stay in the chain.

// answers are the codes of the storage that mean more than their status does,
// and what to say about them.
var answers = map[string]struct {
	code mft.Code
	hint string
}{
	string(bloberror.AuthenticationFailed):                {mft.CodeNotAllowed, "the credential is wrong or has ended, or the clock of this host is off"},
	string(bloberror.AuthorizationPermissionMismatch):     {mft.CodeNotAllowed, "no role or permission of this credential allows it; a new role assignment takes some minutes"},
	string(bloberror.AuthorizationFailure):                {mft.CodeNotAllowed, "the network rules of the account refuse this host, or the credential is not for this"},
	string(bloberror.AuthorizationProtocolMismatch):       {mft.CodeNotAllowed, "it allows HTTPS only"},
	string(bloberror.InsufficientAccountPermissions):      {mft.CodeNotAllowed, "the account allows less"},
	"KeyBasedAuthenticationNotPermitted":                  {mft.CodeNotAllowed, "the account takes neither keys nor what is signed with them: use an Entra credential"},
	string(bloberror.AccountIsDisabled):                   {mft.CodeNotAllowed, "the account is disabled"},
	string(bloberror.BlobImmutableDueToPolicy):            {mft.CodeNotAllowed, "an immutability policy of the account protects it"},
	string(bloberror.ContainerBeingDeleted):               {mft.CodeUnreachable, "it is being deleted"},
	string(queueerror.QueueBeingDeleted):                  {mft.CodeUnreachable, "it is being deleted"},
	string(bloberror.ServerBusy):                          {mft.CodeUnreachable, "the account is over its rate"},
	string(bloberror.OperationTimedOut):                   {mft.CodeUnreachable, ""},
	string(bloberror.InternalError):                       {mft.CodeUnreachable, ""},
	string(bloberror.InvalidRange):                        {mft.CodeNotFound, "the object is shorter"},
	string(bloberror.InvalidBlockList):                    {mft.CodeNotFound, "a block is not staged; blocks of an unpublished object are kept for a week"},
	string(queueerror.PopReceiptMismatch):                 {mft.CodeNotFound, "another has taken it"},
	string(queueerror.MessageTooLarge):                    {mft.CodeTooLarge, ""},
	string(bloberror.RequestBodyTooLarge):                 {mft.CodeTooLarge, ""},
	string(bloberror.BlockCountExceedsLimit):              {mft.CodeTooLarge, "it has more blocks than an object may have"},
	string(bloberror.BlobAlreadyExists):                   {mft.CodeExists, ""},
	string(bloberror.ConditionNotMet):                     {mft.CodeExists, ""},
	string(bloberror.ContainerAlreadyExists):              {mft.CodeExists, ""},
	string(queueerror.QueueAlreadyExists):                 {mft.CodeExists, ""},
	string(bloberror.FeatureVersionMismatch):              {mft.CodeVersion, "the storage is too old for this version of mft"},
	string(bloberror.BlobUsesCustomerSpecifiedEncryption): {mft.CodeNotAllowed, "it is encrypted with a key that is not ours"},
}

// Failure puts an error of the SDK in words of ours, with a code.
func Failure(ctx context.Context, op, subject string, err error) error {
	return exchange.Failure(ctx, op, subject, err, explain)
}

// explain says what an error of the SDK means.
func explain(err error) (mft.Code, string) {
	var answer *azcore.ResponseError
	if errors.As(err, &answer) {
		return explainAnswer(answer)
	}
	var denied *azidentity.AuthenticationFailedError
	if errors.As(err, &denied) {
		return explainToken(denied)
	}
	var fixed interface{ NonRetriable() }
	if errors.As(err, &fixed) {
		// The SDK found no source of tokens, or will not send one without TLS.
		return mft.CodeNotAllowed, "there is no token for the storage: " + scrub(err.Error())
	}
	if errors.Is(err, errTooLong) {
		return mft.CodeProtocol, errTooLong.Error()
	}
	code, cause := response.Silence(err)
	return code, scrub(cause.Error())
}

func explainAnswer(answer *azcore.ResponseError) (mft.Code, string) {
	name := response.Word(answer.ErrorCode)
	say := fmt.Sprintf("the storage answers %d %s", answer.StatusCode, name)
	if name == "" {
		say = fmt.Sprintf("the storage answers %d %s", answer.StatusCode, http.StatusText(answer.StatusCode))
	}
	known, ok := answers[name]
	code := known.code
	if !ok {
		code = response.Code(answer.StatusCode)
	}
	if known.hint != "" {
		say += ": " + known.hint
	}
	if answer.RawResponse != nil {
		if id := response.Word(answer.RawResponse.Header.Get("x-ms-request-id")); id != "" {
			say += " (request " + id + ")"
		}
	}
	return code, say
}

// entraCode is the stable name of what Entra found.
var entraCode = regexp.MustCompile(`AADSTS[0-9]{1,10}`)

func explainToken(denied *azidentity.AuthenticationFailedError) (mft.Code, string) {
	text := denied.Error()
	say := "Entra gives no token"
	if id := entraCode.FindString(text); id != "" {
		say += ": " + id
	}
	if denied.RawResponse == nil {
		first, _, _ := strings.Cut(text, "\n")
		return mft.CodeUnreachable, say + ": " + scrub(first)
	}
	status := denied.RawResponse.StatusCode
	say += fmt.Sprintf(" (status %d)", status)
	if status >= 500 || status == http.StatusTooManyRequests || status == http.StatusRequestTimeout {
		return mft.CodeUnreachable, say
	}
	return mft.CodeNotAllowed, say
}

// final is an error that trying again cannot mend.
type final struct{ error }

// NonRetriable tells the SDK so.
func (final) NonRetriable() {}

// Unwrap returns the error.
func (f final) Unwrap() error { return f.error }

// unusable is what the SDK finds wrong with a configuration.
func unusable(err error) error {
	if err == nil {
		return nil
	}
	var coded *mft.Error
	if errors.As(err, &coded) {
		return coded
	}
	return misfit("open storage", "", errors.New(scrub(err.Error())))
}

// secrets match what may be a secret: the query of an address, a setting, a header. They are
// made when they are first needed: each process of an agent starts with this package.
var secrets = sync.OnceValue(func() []*regexp.Regexp {
	return []*regexp.Regexp{
		regexp.MustCompile(`\?[^\s"'<>]*`),
		regexp.MustCompile(`(?i)\b(sig|sv|se|sp|accountkey|client_secret|client_assertion|access_token|sharedaccesssignature)=[^\s&;"'<>]*`),
		regexp.MustCompile(`(?i)\b(bearer|sharedkey|basic)\s+\S+`),
	}
})

// scrub takes out of the text of an error what may be a secret, and cuts it.
func scrub(text string) string {
	const most = 300
	text = strings.Join(strings.Fields(text), " ")
	for _, r := range secrets() {
		text = r.ReplaceAllString(text, "…")
	}
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}

// Answered reports whether the storage answered with one of the names.
func Answered(err error, names ...string) bool {
	var answer *azcore.ResponseError
	return errors.As(err, &answer) && slices.Contains(names, answer.ErrorCode)
}

// Status returns that of the storage's answer, 0 if there was none.
func Status(err error) int {
	var answer *azcore.ResponseError
	if errors.As(err, &answer) {
		return answer.StatusCode
	}
	return 0
}

// AnsweredAt returns the time of the storage's answer by the clock of the
// storage, the zero time if it tells none.
func AnsweredAt(err error) time.Time {
	var answer *azcore.ResponseError
	if !errors.As(err, &answer) || answer.RawResponse == nil {
		return time.Time{}
	}
	at, err := http.ParseTime(answer.RawResponse.Header.Get("Date"))
	if err != nil {
		return time.Time{}
	}
	return at
}

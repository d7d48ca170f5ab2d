package s3

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/minio/minio-go/v7"

	"mft.dev/mft"
	"mft.dev/mft/exchange"
	"mft.dev/mft/exchange/response"
)

// The errors of the library quote what the storage says, and those of HTTP the
// URL with its signature. So none is passed on: what is useful of one is put in
// other words.

// answers are the codes of the storage that mean more than their status does,
// and what to say about them.
var answers = map[string]struct {
	code mft.Code
	hint string
}{
	"NoSuchUpload":                   {mft.CodeNotFound, "nothing of it is staged"},
	"NoSuchKey":                      {mft.CodeNotFound, ""},
	"NoSuchBucket":                   {mft.CodeNotFound, "there is no such bucket"},
	"InvalidRange":                   {mft.CodeNotFound, "the object is shorter"},
	"InvalidPart":                    {mft.CodeNotFound, "a block is not staged"},
	"BadDigest":                      {mft.CodeDisconnected, "it was damaged on the way"},
	"EntityTooSmall":                 {mft.CodeUsage, "a block that is not the last has less than 5 MiB"},
	"EntityTooLarge":                 {mft.CodeTooLarge, ""},
	"PreconditionFailed":             {mft.CodeExists, ""},
	"ConditionalRequestConflict":     {mft.CodeUnreachable, "another publishes it"},
	"BucketAlreadyExists":            {mft.CodeExists, "the name of the bucket is taken"},
	"BucketAlreadyOwnedByYou":        {mft.CodeExists, ""},
	"AccessDenied":                   {mft.CodeNotAllowed, "no policy allows it to this credential"},
	"InvalidAccessKeyId":             {mft.CodeNotAllowed, "there is no such access key"},
	"SignatureDoesNotMatch":          {mft.CodeNotAllowed, "the secret key is wrong, or host, region or bucket are others than were signed"},
	"ExpiredToken":                   {mft.CodeNotAllowed, "the credential has ended"},
	"InvalidToken":                   {mft.CodeNotAllowed, ""},
	"RequestTimeTooSkewed":           {mft.CodeNotAllowed, "the clock of this host is off"},
	"AuthorizationHeaderMalformed":   {mft.CodeConfig, "the bucket is in another region"},
	"PermanentRedirect":              {mft.CodeConfig, "the bucket is in another region"},
	"NotImplemented":                 {mft.CodeVersion, "the storage does not know what is asked of it"},
	"SlowDown":                       {mft.CodeUnreachable, "the storage is over its rate"},
	"RequestTimeout":                 {mft.CodeUnreachable, ""},
	"XMinioStorageFull":              {mft.CodeNoSpace, ""},
	"XMinioAdminBucketQuotaExceeded": {mft.CodeNoSpace, "the quota of the bucket"},
	"QuotaExceeded":                  {mft.CodeNoSpace, ""},
}

// Failure puts an error of the library in words of ours, with a code.
func Failure(ctx context.Context, op, subject string, err error) error {
	return exchange.Failure(ctx, op, subject, err, func(err error) (mft.Code, string) {
		var answer minio.ErrorResponse
		if errors.As(err, &answer) {
			return explain(answer)
		}
		code, cause := response.Silence(err)
		if code == mft.CodeDisconnected {
			return code, "the connection to the storage failed"
		}
		return code, cause.Error()
	})
}

func explain(answer minio.ErrorResponse) (mft.Code, string) {
	name := response.Word(answer.Code)
	say := fmt.Sprintf("the storage answers %d %s", answer.StatusCode, name)
	known, ok := answers[name]
	code := known.code
	switch {
	case ok:
	case answer.StatusCode == http.StatusConflict, answer.StatusCode == 0:
		code = mft.CodeUnreachable
	default:
		code = response.Code(answer.StatusCode)
	}
	if known.hint != "" {
		say += ": " + known.hint
	}
	if id := response.Word(answer.RequestID); id != "" {
		say += " (request " + id + ")"
	}
	return code, say
}

// answered reports whether the storage answered with one of the codes.
func answered(err error, codes ...string) bool {
	var answer minio.ErrorResponse
	return errors.As(err, &answer) && slices.Contains(codes, answer.Code)
}

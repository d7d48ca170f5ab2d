package s3

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/minio/minio-go/v7"

	"mft.dev/mft"
	"mft.dev/mft/exchange"
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

// statuses are what else a status says.
var statuses = map[int]mft.Code{
	http.StatusUnauthorized: mft.CodeNotAllowed, http.StatusForbidden: mft.CodeNotAllowed, http.StatusProxyAuthRequired: mft.CodeNotAllowed,
	http.StatusNotFound: mft.CodeNotFound, http.StatusGone: mft.CodeNotFound, http.StatusRequestedRangeNotSatisfiable: mft.CodeNotFound,
	http.StatusRequestTimeout: mft.CodeUnreachable, http.StatusTooManyRequests: mft.CodeUnreachable, http.StatusConflict: mft.CodeUnreachable,
	http.StatusPreconditionFailed: mft.CodeExists, http.StatusRequestEntityTooLarge: mft.CodeTooLarge,
	http.StatusInsufficientStorage: mft.CodeNoSpace,
}

// Failure puts an error of the library in words of ours, with a code.
func Failure(ctx context.Context, op, subject string, err error) error {
	return exchange.Failure(ctx, op, subject, err, func(err error) (mft.Code, string) {
		var answer minio.ErrorResponse
		if errors.As(err, &answer) {
			return explain(answer)
		}
		return explainNetwork(err)
	})
}

func explain(answer minio.ErrorResponse) (mft.Code, string) {
	name := word(answer.Code)
	say := fmt.Sprintf("the storage answers %d %s", answer.StatusCode, name)
	known, ok := answers[name]
	code := known.code
	switch {
	case ok:
	case statuses[answer.StatusCode] != "":
		code = statuses[answer.StatusCode]
	case answer.StatusCode >= 500 || answer.StatusCode == 0:
		code = mft.CodeUnreachable
	default:
		code = mft.CodeProtocol
	}
	if known.hint != "" {
		say += ": " + known.hint
	}
	if id := word(answer.RequestID); id != "" {
		say += " (request " + id + ")"
	}
	return code, say
}

func explainNetwork(err error) (mft.Code, string) {
	var inURL *url.Error
	if errors.As(err, &inURL) {
		err = inURL.Err // without the URL, which may have a signature
	}
	var (
		operation *net.OpError
		name      *net.DNSError
		untrusted *tls.CertificateVerificationError
	)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return mft.CodeUnreachable, "no answer in time"
	case errors.As(err, &operation) && operation.Op == "dial":
		return mft.CodeUnreachable, operation.Error()
	case errors.As(err, &name):
		return mft.CodeUnreachable, name.Error()
	case errors.As(err, &untrusted):
		return mft.CodeUnreachable, untrusted.Error()
	}
	return mft.CodeDisconnected, "the connection to the storage failed"
}

// answered reports whether the storage answered with one of the codes.
func answered(err error, codes ...string) bool {
	var answer minio.ErrorResponse
	if !errors.As(err, &answer) {
		return false
	}
	for _, c := range codes {
		if answer.Code == c {
			return true
		}
	}
	return false
}

// word returns what the storage calls something if it is a name, and nothing if
// it is anything else.
func word(s string) string {
	if len(s) > 80 || strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-'
	}) {
		return ""
	}
	return s
}

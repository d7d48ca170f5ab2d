// Package response says in words of ours how a storage that speaks HTTP answers,
// or why it does not. What libraries and servers say themselves is believed as
// little as it is passed on: it may hold a secret.
package response

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"

	"mft.dev/mft"
)

// statuses are those that mean the same for all storages.
var statuses = map[int]mft.Code{
	http.StatusUnauthorized: mft.CodeNotAllowed, http.StatusForbidden: mft.CodeNotAllowed, http.StatusProxyAuthRequired: mft.CodeNotAllowed,
	http.StatusNotFound: mft.CodeNotFound, http.StatusGone: mft.CodeNotFound, http.StatusRequestedRangeNotSatisfiable: mft.CodeNotFound,
	http.StatusRequestTimeout: mft.CodeUnreachable, http.StatusTooManyRequests: mft.CodeUnreachable,
	http.StatusPreconditionFailed: mft.CodeExists, http.StatusRequestEntityTooLarge: mft.CodeTooLarge,
	http.StatusInsufficientStorage: mft.CodeNoSpace,
}

// Code returns what the status of an answer means.
func Code(status int) mft.Code {
	if code, ok := statuses[status]; ok {
		return code
	}
	if status >= 500 {
		return mft.CodeUnreachable
	}
	return mft.CodeProtocol
}

// Word returns what the storage calls something if it is a name, and nothing if
// it is anything else.
func Word(s string) string {
	if len(s) > 80 || strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-'
	}) {
		return ""
	}
	return s
}

// Silence says why a request has no answer: CodeUnreachable when no connection
// was made or the answer is late, else CodeDisconnected. The cause is without the
// URL of the request, which may be signed; that of CodeDisconnected is otherwise
// as the library has it.
func Silence(err error) (mft.Code, error) {
	var inURL *url.Error
	if errors.As(err, &inURL) {
		err = inURL.Err
	}
	var (
		operation *net.OpError
		name      *net.DNSError
		untrusted *tls.CertificateVerificationError
	)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return mft.CodeUnreachable, errors.New("no answer in time")
	case errors.As(err, &operation) && operation.Op == "dial":
		return mft.CodeUnreachable, operation
	case errors.As(err, &name):
		return mft.CodeUnreachable, name
	case errors.As(err, &untrusted):
		return mft.CodeUnreachable, untrusted
	}
	return mft.CodeDisconnected, err
}

package response

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"mft.dev/mft"
)

func TestCode(t *testing.T) {
	for status, want := range map[int]mft.Code{
		http.StatusForbidden: mft.CodeNotAllowed, http.StatusNotFound: mft.CodeNotFound, http.StatusTooManyRequests: mft.CodeUnreachable,
		http.StatusServiceUnavailable: mft.CodeUnreachable, http.StatusTeapot: mft.CodeProtocol, 0: mft.CodeProtocol,
		http.StatusInsufficientStorage: mft.CodeNoSpace,
	} {
		if got := Code(status); got != want {
			t.Errorf("Code(%d) = %s, want %s", status, got, want)
		}
	}
}

func TestWord(t *testing.T) {
	for text, want := range map[string]string{
		"BlobNotFound": "BlobNotFound", "00000000-0000": "00000000-0000", "": "",
		"two words": "", "sig=x": "", "a\nb": "", "ü": "", strings.Repeat("a", 81): "",
	} {
		if got := Word(text); got != want {
			t.Errorf("Word(%q) = %q, want %q", text, got, want)
		}
	}
}

func TestSilence(t *testing.T) {
	dial := &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}
	for _, tt := range []struct {
		name string
		err  error
		want mft.Code
		says string
	}{
		{"late", context.DeadlineExceeded, mft.CodeUnreachable, "no answer in time"},
		{"nobody listens", dial, mft.CodeUnreachable, "connection refused"},
		{"no such host", &net.OpError{Op: "lookup", Err: &net.DNSError{Err: "no such host", Name: "storage.example"}}, mft.CodeUnreachable, "storage.example"},
		{"a stranger", &tls.CertificateVerificationError{Err: errors.New("unknown authority")}, mft.CodeUnreachable, "unknown authority"},
		{"cut off", io.ErrUnexpectedEOF, mft.CodeDisconnected, "unexpected EOF"},
		{"reset", &net.OpError{Op: "read", Net: "tcp", Err: errors.New("reset by peer")}, mft.CodeDisconnected, "reset by peer"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			wrapped := fmt.Errorf("library: %w", &url.Error{Op: "Get", URL: "https://storage.example/o?sig=s3cret", Err: tt.err})
			code, cause := Silence(wrapped)
			if code != tt.want || cause == nil || !strings.Contains(cause.Error(), tt.says) || strings.Contains(cause.Error(), "s3cret") {
				t.Errorf("Silence(%v) = %s, %v; want %s, %q", wrapped, code, cause, tt.want, tt.says)
			}
		})
	}
}

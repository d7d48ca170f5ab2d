package route

import (
	"errors"

	"mft.dev/mft"
)

// A Problem is an *mft.Error in JSON.
type Problem struct {
	Code    mft.Code `json:"code"`
	Op      string   `json:"op,omitempty"`
	Subject string   `json:"subject,omitempty"`
	Detail  string   `json:"detail,omitempty"`
	Remedy  string   `json:"remedy,omitempty"`
}

// ProblemOf describes err; nil for nil.
func ProblemOf(err error) *Problem {
	if err == nil {
		return nil
	}
	p := &Problem{Code: mft.CodeOf(err), Detail: err.Error()}
	var e *mft.Error
	if errors.As(err, &e) {
		p.Op, p.Subject = e.Op, e.Subject
		p.Detail = e.Code.Sentence()
		if e.Err != nil {
			p.Detail = e.Err.Error()
		}
	}
	p.Remedy = p.Code.Remedy()
	return p
}

// Err returns p as an *mft.Error; nil for nil.
func (p *Problem) Err() error {
	if p == nil {
		return nil
	}
	var cause error
	if p.Detail != "" && p.Detail != p.Code.Sentence() {
		cause = errors.New(p.Detail)
	}
	return mft.Fail(p.Code, p.Op, p.Subject, cause)
}

// ProblemOfReason describes why something is as it is; nil for no reason.
func ProblemOfReason(r mft.Reason) *Problem {
	if r.Code.OK() && r.Detail == "" {
		return nil
	}
	return &Problem{Code: r.Code, Detail: r.Detail, Remedy: r.Code.Remedy()}
}

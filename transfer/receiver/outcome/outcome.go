// Package outcome is what a receive comes to: its receipt. It does no more than to write down what was counted.
package outcome

import "mft.dev/mft"

// Receipt completes a receipt with what the sender sealed. first is the first
// reason for which something was not delivered.
func Receipt(r mft.Receipt, seal *mft.Seal, first mft.Reason) mft.Receipt {
	r.Code, r.Failed, r.Manifest = mft.CodeOK, r.Failed+seal.Failed, seal.Manifest
	if r.Failed > 0 {
		r.Code, r.Detail = mft.CodePartial, first.Detail
		if r.Received.Items == 0 && r.Unchanged.Items == 0 && first.Code != "" {
			r.Code = first.Code
		}
	}
	return r
}

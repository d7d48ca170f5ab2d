package agent_test

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mft.dev/mft"
	"mft.dev/mft/agent/order"
	"mft.dev/mft/agent/pairing"
)

// mirrorTo orders a mirror and returns how it ended at the sender.
func (h *host) mirrorTo(to *host, path string, limits mft.Mirror, source string) mft.Transfer {
	h.t.Helper()
	placed, err := h.agent.Copy(h.t.Context(), []string{source}, []order.Destination{
		{Agent: to.conf.Agent.Name, Path: path, Mirror: limits},
	})
	if err != nil || placed[0].Err != nil {
		h.t.Fatalf("Copy = %+v, %v", placed, err)
	}
	return h.awaitIf(placed[0].Transfer, func(t mft.Transfer) bool { return t.State.Terminal() })
}

func TestMirrorNeedsItsGrant(t *testing.T) {
	alpha, beta := pairOf(t)
	write(t, alpha.out, "a", "1")
	write(t, alpha.out, "b", "2")
	write(t, beta.in, "extra", "x")
	got := alpha.mirrorTo(beta, beta.in+"/", mft.DefaultMirror(), alpha.out+"/")
	if got.State != mft.StateRejected || got.Reason.Code != mft.CodeNotAllowed || !strings.Contains(got.Reason.Detail, "--allow-delete") {
		t.Errorf("without a grant: %s (%+v), want rejected with the way to allow it", got.State, got.Reason)
	}
	if got := tree(t, beta.in); !maps.Equal(got, map[string]string{"extra": "x"}) {
		t.Errorf("without a grant there is %v", got)
	}
	if err := beta.agent.AllowPeer("alpha", pairing.Grant{FilesInto: beta.in, Delete: true}); err != nil {
		t.Fatal(err)
	}
	got = alpha.mirrorTo(beta, beta.in+"/", mft.Mirror{On: true}, alpha.out+"/")
	if got.State != mft.StateFailed || got.Reason.Code != mft.CodeDeleteLimit {
		t.Errorf("beyond the limit: %s (%+v), want %s", got.State, got.Reason, mft.CodeDeleteLimit)
	}
	got = alpha.mirrorTo(beta, beta.in+"/", mft.DefaultMirror(), alpha.out+"/")
	if got.State != mft.StateDone || got.Removed != 1 || got.Unchanged.Items != 2 || got.Moved.Items != 0 {
		t.Errorf("with a grant: %+v, want done with 1 removed and 2 unchanged", got)
	}
	if there, _, err := beta.agent.Transfer(t.Context(), got.ID); err != nil || there.Removed != 1 || there.Unchanged.Items != 2 {
		t.Errorf("the receiver has %+v, %v", there, err)
	}
	if got := tree(t, beta.in); !maps.Equal(got, map[string]string{"a": "1", "b": "2"}) {
		t.Errorf("with a grant there is %v", got)
	}
}

func TestMirrorIsOfOneDirectory(t *testing.T) {
	alpha, beta := pairOf(t)
	file := write(t, alpha.out, "a", "1")
	for _, sources := range [][]string{{file}, {alpha.out, alpha.out + "/"}, {filepath.Join(alpha.out, "*")}} {
		_, err := alpha.agent.Copy(t.Context(), sources, []order.Destination{
			{Agent: "beta", Path: beta.in + "/", Mirror: mft.DefaultMirror()},
		})
		if mft.CodeOf(err) != mft.CodeUsage {
			t.Errorf("Copy(%q) = %v, want code %s", sources, err, mft.CodeUsage)
		}
	}
}

// TestRequestedFilesRemoveNothing: whoever is asked for files has no say in
// what is removed where they land.
func TestRequestedFilesRemoveNothing(t *testing.T) {
	alpha, beta := pairOf(t)
	write(t, beta.out, "a", "1")
	write(t, alpha.in, "extra", "x")
	id, err := alpha.agent.Request(t.Context(), order.Request{Agent: "beta", Path: beta.out + "/", Into: alpha.in + "/", Compare: mft.CompareContent, Compress: mft.CompressNever})
	if err != nil {
		t.Fatal(err)
	}
	alpha.await(id, mft.StateDone)
	if _, err := os.Stat(filepath.Join(alpha.in, "extra")); err != nil {
		t.Error("something was removed")
	}
	if there, _, err := beta.agent.Transfer(t.Context(), id); err != nil || there.Compare != mft.CompareContent || there.Compress != mft.CompressNever {
		t.Errorf("the peer compares by %q and compresses %q, %v, want what was asked for", there.Compare, there.Compress, err)
	}
}

package dir

import (
	"errors"
	"fmt"
	"strings"

	"mft.dev/mft"
	"mft.dev/mft/exchange"
	"mft.dev/mft/exchange/dir/layout"
)

// A reference is what a ref says: AGENT/NAME/GRANT. The grant is a file in the
// directory of the object, which others cannot list, so its name is the secret;
// it holds the index, with the names of the directories with the blocks, which are
// secrets too.
type reference struct {
	agent mft.AgentName
	name  string // of the object
	grant layout.Grant
}

func (r reference) String() string { return fmt.Sprintf("%s/%s/%v", r.agent, r.name, r.grant) }

// dir returns the path of the directory of the object.
func (r reference) dir() string { return of(r.agent, objectsDir, objectPrefix+r.name) }

// parseReference reads a ref, which is the word of a stranger. CodeBadPath says
// that it is none.
func parseReference(ref string) (reference, error) {
	bad := mft.Fail(mft.CodeBadPath, "read object", "", errors.New("the reference leads to no object of this folder"))
	if len(ref) > exchange.MaxRef {
		return reference{}, bad
	}
	f := strings.Split(ref, "/")
	if len(f) != 3 {
		return reference{}, bad
	}
	agent, err := mft.ParseAgentName(f[0])
	grant, ok := layout.ParseGrant(f[2])
	if err != nil || exchange.CheckName(f[1]) != nil || !ok {
		return reference{}, bad
	}
	return reference{agent, f[1], grant}, nil
}

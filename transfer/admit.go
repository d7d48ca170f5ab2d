package transfer

import (
	"errors"
	"fmt"
	"path"
	"strings"

	"mft.dev/mft"
	"mft.dev/mft/journal"
)

// Admit decides whether the offer's destination lies within one of the grants,
// and where the items land. It is pure: whether the destination exists, and as
// what, is looked at by Receive through the directory that Landing.Root names.
//
// An absolute destination must be at or below the root of a grant; the
// longest such root wins. A relative one is below the root of the first grant.
// Errors have code CodeNotAllowed or CodeBadPath.
func Admit(o *mft.Offer, grants []mft.Grant) (journal.Landing, error) {
	grant, rel, err := within("offer", o.Destination, grants)
	if err != nil {
		return journal.Landing{}, err
	}
	if o.Mirror.On && !grant.AllowDelete {
		return journal.Landing{}, mft.Fail(mft.CodeNotAllowed, "mirror to", o.Destination, errors.New(
			"the agent may not remove files there; `delete: true` in allow.files_from allows it, or `mft peer allow NAME --files-into DIR --allow-delete`"))
	}
	if o.Mirror.On && o.Single {
		return journal.Landing{}, mft.Fail(mft.CodeBadPath, "mirror to", o.Destination, errors.New("a single file cannot be mirrored"))
	}
	l := journal.Landing{Root: grant.Root, Dir: rel, AllowSetID: grant.AllowSetID, AllowRootSetID: grant.AllowRootSetID, Versions: grant.Versions}
	if o.Single && rel != "" && !strings.HasSuffix(o.Destination, "/") {
		l.Dir, l.Name = path.Split(rel)
		l.Dir = strings.TrimSuffix(l.Dir, "/")
	}
	return l, nil
}

// AdmitRequest decides whether the path that a peer asks for lies within one
// of the grants, and splits it into the grant's root and the path below.
// A trailing slash is kept. Errors have code CodeNotAllowed or CodeBadPath.
func AdmitRequest(r *mft.Request, grants []mft.Grant) (root, rel string, err error) {
	grant, rel, err := within("request", r.Path, grants)
	if err != nil {
		return "", "", err
	}
	if strings.HasSuffix(r.Path, "/") && rel != "" {
		rel += "/"
	}
	return grant.Root, rel, nil
}

// LandingFor makes a landing of a path that this host's own operator gave:
// no allow list narrows it. A path that ends in a slash is a directory.
func LandingFor(destination string) (journal.Landing, error) {
	root := "/"
	if v := volume(destination); v != "" {
		root = v + "/"
	}
	grants := []mft.Grant{{Root: root, AllowSetID: false}}
	_, rel, err := within("destination", destination, grants)
	if err != nil {
		return journal.Landing{}, err
	}
	if rel == "" || strings.HasSuffix(destination, "/") {
		return journal.Landing{Root: path.Join(root, rel)}, nil
	}
	dir, name := path.Split(path.Join(root, rel))
	return journal.Landing{Root: path.Clean(dir), Name: name}, nil
}

// within finds the grant that holds p and returns the rest of p below it,
// clean and without slashes at its ends; "" is the root itself.
func within(what, p string, grants []mft.Grant) (mft.Grant, string, error) {
	refuse := func(code mft.Code, why string) (mft.Grant, string, error) {
		return mft.Grant{}, "", mft.Fail(code, what, p, fmt.Errorf("%s", why))
	}
	if len(grants) == 0 {
		return refuse(mft.CodeNotAllowed, "the agent is not on the allow list of this host")
	}
	switch {
	case p == "":
		return refuse(mft.CodeBadPath, "the path is empty")
	case len(p) > 4096:
		return refuse(mft.CodeBadPath, "the path is longer than 4096 bytes")
	case strings.IndexByte(p, 0) >= 0:
		return refuse(mft.CodeBadPath, "the path contains a NUL byte")
	}
	for c := range strings.SplitSeq(p, "/") {
		if c == ".." {
			return refuse(mft.CodeBadPath, `the path contains ".."`)
		}
	}
	clean := path.Clean(p)
	if !isAbs(clean) {
		if clean == "." {
			clean = ""
		}
		return grants[0], clean, nil
	}
	best := -1
	var rest string
	for i, g := range grants {
		r, ok := below(path.Clean(g.Root), clean)
		if ok && (best < 0 || len(g.Root) > len(grants[best].Root)) {
			best, rest = i, r
		}
	}
	if best < 0 {
		return refuse(mft.CodeNotAllowed, "the path is outside what this host allows the agent")
	}
	return grants[best], rest, nil
}

// below returns what of p is below root, both clean and absolute. A sibling
// that merely shares the prefix (/srv/in2 and /srv/in) is not below.
func below(root, p string) (string, bool) {
	if root == p {
		return "", true
	}
	if !strings.HasSuffix(root, "/") {
		root += "/"
	}
	if rest, ok := strings.CutPrefix(p, root); ok {
		return rest, true
	}
	return "", false
}

// isAbs knows the absolute forms of every host, because a peer may name a
// path of another kind of host than the one this runs on.
func isAbs(p string) bool { return strings.HasPrefix(p, "/") || volume(p) != "" }

// volume returns the drive of a path like C:/dir, else "".
func volume(p string) string {
	if len(p) >= 3 && p[1] == ':' && p[2] == '/' && (p[0]|0x20) >= 'a' && (p[0]|0x20) <= 'z' {
		return p[:2]
	}
	return ""
}

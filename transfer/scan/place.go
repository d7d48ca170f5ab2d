package scan

// A place is where the walk is, under three names that share one string: the
// path below the source's root, the path of the item, and the path below the
// top of the tree. Each is a tail of the longest, so that a name costs one
// allocation.
type place struct {
	full                       string
	relFrom, pathFrom, subFrom int
}

// newPlace returns the top of a tree that lies at base below the root and
// whose items' paths begin with prefix. Of the two, one is empty or prefix is
// the last component of base.
func newPlace(base, prefix string) place {
	p := place{full: base}
	if base == "" {
		p.full = prefix
		p.relFrom = after(prefix)
	}
	p.subFrom = after(p.full)
	p.pathFrom = p.subFrom
	if prefix != "" {
		p.pathFrom = len(p.full) - len(prefix)
	}
	return p
}

// after returns where what follows a path and a slash begins.
func after(path string) int {
	if path == "" {
		return 0
	}
	return len(path) + 1
}

func (p place) child(name string) place {
	p.full = joinPath(p.full, name)
	return p
}

func (p place) rel() string  { return p.from(p.relFrom) }
func (p place) path() string { return p.from(p.pathFrom) }
func (p place) sub() string  { return p.from(p.subFrom) }

func (p place) from(i int) string { return p.full[min(i, len(p.full)):] }

func joinPath(dir, name string) string {
	if dir == "" {
		return name
	}
	return dir + "/" + name
}

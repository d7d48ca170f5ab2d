package scan

import (
	"os"

	"mft.dev/mft"
)

// extend adds to an entry what Preserve reads of it. What has vanished meanwhile has
// nothing: whoever reads it next will say so.
func (s *Source) extend(e Entry) (Entry, error) {
	if s.Preserve == nil || e.Item.Type == mft.ItemSymlink {
		return e, nil
	}
	f, err := s.open(e)
	if mft.CodeOf(err) == mft.CodeNotFound {
		return e, nil
	}
	if err != nil {
		return e, err
	}
	defer f.Close()
	e.Item.Extended, err = s.Preserve.Read(f)
	return e, err
}

// open opens a file or directory.
func (s *Source) open(e Entry) (*os.File, error) {
	if e.Item.Type == mft.ItemDir {
		dir, err := s.Root.Dir(e.Rel)
		if err != nil {
			return nil, err
		}
		return dir.Open()
	}
	f, _, err := s.Root.OpenFile(e.Rel)
	return f, err
}

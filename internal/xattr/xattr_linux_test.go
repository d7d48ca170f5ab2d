package xattr

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestAttributes(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "f"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := Set(f, "user.a", []byte("1")); errors.Is(err, errors.ErrUnsupported) {
		t.Skip("the file system has no attributes")
	} else if err != nil {
		t.Fatal(err)
	}
	large := bytes.Repeat([]byte("x"), 2000) // more than the first buffer
	for name, value := range map[string][]byte{"user.b": large, "user.c": {}} {
		if err := Set(f, name, value); err != nil {
			t.Fatal(err)
		}
	}
	names, err := Names(f)
	if names = slices.DeleteFunc(names, func(n string) bool { return n == "security.selinux" }); err != nil || len(names) != 3 {
		t.Errorf("names: %q, %v", names, err)
	}
	if got, found, err := Get(f, "user.b"); !found || err != nil || !bytes.Equal(got, large) {
		t.Errorf("a large value: %d bytes, %v", len(got), err)
	}
	if got, found, err := Get(f, "user.c"); !found || err != nil || len(got) != 0 {
		t.Errorf("an empty value: %q, %t, %v", got, found, err)
	}
	for range 2 {
		if err := Remove(f, "user.b"); err != nil {
			t.Error(err)
		}
	}
	if _, found, err := Get(f, "user.b"); found || err != nil {
		t.Errorf("one that was removed: %t, %v", found, err)
	}
}

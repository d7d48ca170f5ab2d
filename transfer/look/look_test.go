package look

import (
	"testing"

	"mft.dev/mft/internal/confine"
)

func TestLook(t *testing.T) {
	var l Look
	id := confine.Identity{Inode: 1}
	for _, name := range []string{"c", "a", "b"} {
		if err := l.Add([]byte(name), &id, []byte("to-"+name)); err != nil {
			t.Fatal(err)
		}
	}
	if l.Len() != 3 {
		t.Errorf("Len() = %d, want 3", l.Len())
	}
	some := l.Only([]int{0, 2})
	got := ""
	_ = some.All(func(name []byte, _ *confine.Identity, target []byte) error {
		got += string(name) + string(target)
		return nil
	})
	if want := "bto-bcto-c"; got != want {
		t.Errorf("Only() has %q, want %q", got, want)
	}
	for _, c := range []struct {
		name string
		want bool
	}{{"a", true}, {"b", true}, {"b", false}, {"c", true}, {"a", false}, {"0", false}, {"d", false}} {
		_, target, ok := l.Take(c.name)
		if ok != c.want || ok && target != "to-"+c.name {
			t.Errorf("Take(%q) = %q, %v, want %v", c.name, target, ok, c.want)
		}
	}
	for range Most - 3 {
		if err := l.Add([]byte("x"), &id, nil); err != nil {
			t.Fatal(err)
		}
	}
	if !l.Whole() || l.Add([]byte("y"), &id, nil) == nil || l.Whole() {
		t.Error("a look takes more than it may")
	}
}

package aside

import "testing"

func TestHolder(t *testing.T) {
	s := New()
	if got := s.Holder("a"); got != nil {
		t.Errorf("an empty set holds a: %+v", got)
	}
	s.Add(Dir{Final: "in/a", Temp: "in/.stage/1", Old: "in/.stage/1.old"})
	s.Add(Dir{Final: "in/b", Temp: "in/.stage/2"})
	for _, tt := range []struct{ name, final, place, earlier string }{
		{"the directory itself", "in/a", "in/.stage/1", "in/.stage/1.old"},
		{"below it", "in/a/x/y", "in/.stage/1/x/y", "in/.stage/1.old/x/y"},
		{"below the last", "in/b/x", "in/.stage/2/x", ""},
		{"a sibling that shares the prefix", "in/bb/x", "", ""},
		{"another sibling", "in/a2", "", ""},
		{"above", "in", "", ""},
		{"elsewhere", "out/in/a", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := s.Holder(tt.final)
			if d == nil {
				if tt.place != "" {
					t.Fatalf("Holder(%q) = nil, want one", tt.final)
				}
				return
			}
			if got := d.Place(tt.final); got != tt.place {
				t.Errorf("Place(%q) = %q, want %q", tt.final, got, tt.place)
			}
			if got := d.Earlier(tt.final); got != tt.earlier {
				t.Errorf("Earlier(%q) = %q, want %q", tt.final, got, tt.earlier)
			}
		})
	}
	if got := len(s.All()); got != 2 {
		t.Errorf("All has %d, want 2", got)
	}
}

func TestDelivered(t *testing.T) {
	s := New()
	if s.Delivered("a/b") {
		t.Error("nothing was published, and a/b was delivered")
	}
	s.SetPublished("a")
	for final, want := range map[string]bool{"a": true, "a/b/c": true, "ab": false, "b": false, "b/a": false} {
		if got := s.Delivered(final); got != want {
			t.Errorf("Delivered(%q) = %v, want %v", final, got, want)
		}
	}
}

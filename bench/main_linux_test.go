package main

import (
	"testing"

	"mft.dev/mft/bench/workload"
)

func TestParse(t *testing.T) {
	for _, tc := range []struct {
		name   string
		args   []string
		scale  float64
		rounds int
		bad    bool
	}{
		{"nothing", nil, 1, 5, false},
		{"quick", []string{"-quick"}, 0.02, 1, false},
		{"quick, but", []string{"-quick", "-scale", "0.5", "-rounds", "3"}, 0.5, 3, false},
		{"too great", []string{"-scale", "2"}, 0, 0, true},
		{"no round", []string{"-rounds", "0"}, 0, 0, true},
		{"no bandwidth", []string{"-bandwidth", "0"}, 0, 0, true},
		{"a word too many", []string{"quick"}, 0, 0, true},
		{"an unknown workload", []string{"-only", "a,z"}, 0, 0, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			o, err := parse(tc.args)
			if (err != nil) != tc.bad {
				t.Fatalf("parse(%q): %v, want an error: %v", tc.args, err, tc.bad)
			}
			if !tc.bad && (o.scale != tc.scale || o.rounds != tc.rounds) {
				t.Errorf("parse(%q) has scale %v and %d rounds, want %v and %d", tc.args, o.scale, o.rounds, tc.scale, tc.rounds)
			}
		})
	}
}

func TestWants(t *testing.T) {
	o, err := parse([]string{"-only", "a,j2", "-against", "rsyncd"})
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]bool{"a": true, "b": false, "j1": false, "j2": true} {
		if got := o.wants(key); got != want {
			t.Errorf("-only a,j2 wants %s: %v, want %v", key, got, want)
		}
	}
	if o, err = parse([]string{"-only", "j"}); err != nil || !o.wants("j3") {
		t.Errorf("-only j does not want j3 (%v)", err)
	}
	got := options{against: set("rsyncd, cp")}.takers(workload.Workload{Takers: []string{"mft", "rsync+ssh", "rsyncd"}})
	if len(got) != 2 || got[0] != "mft" || got[1] != "rsyncd" {
		t.Errorf("-against rsyncd,cp lets %q take part, want mft and rsyncd", got)
	}
}

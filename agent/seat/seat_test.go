package seat

import (
	"slices"
	"testing"

	"mft.dev/mft"
	"mft.dev/mft/agent/config"
)

func TestOf(t *testing.T) {
	cfg := config.Default(func(string) string { return "" })
	cfg.Agent.Name, cfg.Agent.User = "erp", "mft"
	cfg.Allow.FilesFrom = []mft.Grant{{Agent: "a", Root: "/in"}, {Agent: "b", Root: "/in/b/", RunAs: mft.RunAs{User: "b"}}}
	cfg.Allow.RequestsFrom = []mft.Grant{{Agent: "a", Root: "/out"}}
	cfg.Channels = []mft.Channel{
		{Name: "elsewhere", From: mft.Endpoint{Agent: "a", Path: "/far"}},
		{Name: "here", From: mft.Endpoint{Agent: "erp", Path: "/src"}, RunAs: mft.RunAs{User: "c"}, Markers: []mft.Marker{
			{Kind: mft.MarkerTrigger, End: mft.EndSource, Path: "/marks/go"}, {Kind: mft.MarkerFailure, End: mft.EndDestination, Path: "/theirs/failed"},
		}},
		{Name: "empties", From: mft.Endpoint{Agent: "erp", Path: "/full"}, After: mft.After{Source: mft.SourceDelete}},
		{Name: "archives", From: mft.Endpoint{Agent: "erp", Path: "/full"}, After: mft.After{Source: mft.SourceArchive, Archive: "/sent/"}},
	}
	cfg.Allow.Paired = []mft.Paired{{Below: "/srv", RunAs: mft.RunAs{User: "d"}}, {Below: "/srv/partners/", RunAs: mft.RunAs{User: "e"}}}
	table := Of(cfg)
	find := func(r Request, ok bool) *Place {
		t.Helper()
		if !ok {
			t.Fatal("there is no such place")
		}
		p, _, err := table.Find(r)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	for _, tt := range []struct {
		name        string
		p           *Place
		user        string
		read, write []string
	}{
		{"the agent's user", find(table.Files("a", "/in")), "mft", nil, []string{"/in"}},
		{"one of its own", find(table.Files("b", "/in/b")), "b", nil, []string{"/in/b"}},
		{"requests", find(table.Requests("a", "/out")), "mft", []string{"/out"}, nil},
		{"channel", find(table.Channel("here")), "c", []string{"/src"}, []string{"/marks"}},
		{"what leaves is removed", find(table.Channel("empties")), "mft", []string{"/full"}, []string{"/full"}},
		{"or moved", find(table.Channel("archives")), "mft", []string{"/full"}, []string{"/full", "/sent"}},
		{"paired", find(table.Files("z", "/srv")), "d", nil, []string{"/srv"}},
		{"paired, the longest", find(table.Files("z", "/srv/partners/z")), "e", nil, []string{"/srv/partners"}},
		{"paired, requests", find(table.Requests("a", "/srv/partnersother")), "d", nil, []string{"/srv"}},
		{"paired, but in the file", find(table.Files("b", "/in/b/")), "b", nil, []string{"/in/b"}},
	} {
		if tt.p.RunAs.User != tt.user || !slices.Equal(tt.p.Read, tt.read) || !slices.Equal(tt.p.Write, tt.write) {
			t.Errorf("%s: %+v, want %s, read %q, write %q", tt.name, tt.p, tt.user, tt.read, tt.write)
		}
	}
	for name, ok := range map[string]func() (Request, bool){
		"channel of another host": func() (Request, bool) { return table.Channel("elsewhere") },
		"no channel":              func() (Request, bool) { return table.Channel("") },
		"another peer":            func() (Request, bool) { return table.Files("c", "/in") },
		"paired elsewhere":        func() (Request, bool) { return table.Files("z", "/srvother") },
		"paired above":            func() (Request, bool) { return table.Requests("z", "/") },
		"below a root":            func() (Request, bool) { return table.Files("a", "/in/b") },
	} {
		if r, is := ok(); is {
			t.Errorf("%s: there is %+v", name, r)
		}
	}
}

func TestUserOf(t *testing.T) {
	for _, tt := range []struct {
		name string
		as   mft.RunAs
		want User
		code mft.Code
	}{
		{"a number", mft.RunAs{User: "61002"}, User{UID: 61002, GID: 61002}, ""},
		{"with a group", mft.RunAs{User: "61002", Group: "61003"}, User{UID: 61002, GID: 61003}, ""},
		{"root", mft.RunAs{User: "0"}, User{}, mft.CodeConfig},
		{"the one that stands for none", mft.RunAs{User: "4294967295"}, User{}, mft.CodeConfig},
		{"nobody of that name", mft.RunAs{User: "no-such-user-here"}, User{}, mft.CodeConfig},
		{"no group of that name", mft.RunAs{User: "61002", Group: "no-such-group-here"}, User{}, mft.CodeConfig},
		{"nobody", mft.RunAs{}, User{}, mft.CodeConfig},
	} {
		u, err := UserOf(tt.as)
		if (tt.code != "") != (err != nil) || err != nil && mft.CodeOf(err) != tt.code || err == nil && (u.UID != tt.want.UID || u.GID != tt.want.GID) {
			t.Errorf("%s: UserOf(%+v) = %+v, %v, want %+v %s", tt.name, tt.as, u, err, tt.want, tt.code)
		}
	}
	if u, err := UserOf(mft.RunAs{User: "0", AllowRoot: true}); err != nil || u.UID != 0 {
		t.Errorf("root that is allowed: %+v, %v", u, err)
	}
}

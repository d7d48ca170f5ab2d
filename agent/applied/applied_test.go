package applied

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"mft.dev/mft"
	"mft.dev/mft/agent/config"
)

const (
	nightly = "\n- {name: nightly, from: {agent: erp, path: /srv/out}, to: [{agent: ledger, path: /srv/in}], when: manual}"
	hourly  = "\n- {name: hourly, from: {agent: erp, path: /srv/out}, to: [{agent: ledger, path: /srv/in}], when: {poll: 1h}}"
	inward  = "\n- {name: inward, from: {agent: ledger, path: /srv/out}, to: [{agent: erp, path: /srv/in}], when: manual}"
)

func store(t *testing.T) *Store {
	t.Helper()
	c := &config.Config{Agent: config.Agent{Name: "erp", DataDir: t.TempDir()}}
	c.Channels = []mft.Channel{{Name: "own", From: mft.Endpoint{Agent: "erp"}}}
	return Of(c)
}

func TestPlan(t *testing.T) {
	changed := strings.NewReplacer("manual", "{schedule: '@daily', manual: true}", "/srv/in", "/srv/new").Replace(nightly)
	for _, tt := range []struct {
		name, kept, file string
		want             []string // name, kind and fields
	}{
		{"nothing at all", "", "channels: []", nil},
		{"the first", "", "channels:" + nightly, []string{"nightly added"}},
		{"one more", "channels:" + nightly, "channels:" + hourly + nightly, []string{"hourly added", "nightly unchanged"}},
		{"the same in other words", "channels:" + nightly, "channels: # new\n" + strings.Replace(nightly, "manual", "{manual: true}", 1), []string{"nightly unchanged"}},
		{"changed", "channels:" + nightly, "channels:" + changed, []string{"nightly changed: to, when.schedule"}},
		{"gone", "channels:" + nightly + hourly, "channels:" + hourly, []string{"hourly unchanged", "nightly removed"}},
		{"of another agent", "", "channels:" + inward, []string{"inward of another agent"}},
		{"of another agent, gone", "channels:" + inward, "channels: []", nil},
		{"now of another agent", "channels:" + nightly, "channels:" + strings.Replace(inward, "inward", "nightly", 1), []string{"nightly changed: from.agent, to"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := store(t)
			if tt.kept != "" {
				if err := s.Keep([]byte(tt.kept)); err != nil {
					t.Fatal(err)
				}
			}
			list, err := s.Plan([]byte(tt.file))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, c := range list {
				got = append(got, c.Channel+" "+c.String())
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("Plan = %q, want %q", got, tt.want)
			}
		})
	}
}

// TestCalendars names calendars of the agent's own file, which only has those of channels that
// begin at its host.
func TestCalendars(t *testing.T) {
	c := &config.Config{Agent: config.Agent{Name: "erp", DataDir: t.TempDir()}}
	c.Calendars = []mft.Calendar{{Name: "uk", Workdays: "mon-fri"}}
	by := func(channel, calendar string) []byte {
		return []byte("channels:" + strings.Replace(channel, "manual", "{schedule: '@daily', calendar: "+calendar+", on: next}", 1))
	}
	list, err := Of(c).Plan(by(nightly, "uk"))
	if want := (mft.Days{On: mft.OnNext, Calendar: c.Calendars[0]}); err != nil || !reflect.DeepEqual(list[0].New.Days, want) {
		t.Errorf("Plan = %v, %v, want %v", list, err, want)
	}
	if _, err := Of(c).Plan(by(nightly, "us")); err == nil || !strings.Contains(err.Error(), "the agent's own file has no calendar us") {
		t.Errorf("a calendar that is not there: %v", err)
	}
	if _, err := Of(c).Plan(by(inward, "us")); err != nil {
		t.Errorf("a calendar of another agent: %v", err)
	}
}

func TestPlanRefuses(t *testing.T) {
	for _, tt := range []struct{ name, file, want string }{
		{"nothing", "", "the file is empty"},
		{"a whole configuration", "agent: {name: x}\nchannels: []", "agent: unknown key"},
		{"a name twice", "channels:" + nightly + nightly, "a channel of this name is on line 2 already"},
		{"a name of the own file", "channels:" + strings.Replace(nightly, "nightly", "own", 1), "the last word"},
		{"a command that checks", "channels:" + strings.Replace(nightly, "when: manual", "when: manual, guard: {check: [/x]}", 1), "commands are only run"},
		{"commands", "channels:" + strings.Replace(nightly, "when: manual", "when: manual, exits: [{after: success, run: [/x]}]", 1), "commands are only run"},
		{"another user", "channels:" + strings.Replace(nightly, "when: manual", "when: manual, run_as: {user: root}", 1), "who reads the files"},
		{"no YAML", "channels: [", "line"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			list, err := store(t).Plan([]byte(tt.file))
			if mft.CodeOf(err) != mft.CodeConfig || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Plan = %v, %v, want code %s and %q", list, err, mft.CodeConfig, tt.want)
			}
		})
	}
}

// TestOwnFileHasTheLastWord: what has come into the agent's own file since counts there.
func TestOwnFileHasTheLastWord(t *testing.T) {
	s := store(t)
	if err := s.Keep([]byte("channels:" + nightly + strings.Replace(hourly, "hourly", "own", 1))); err != nil {
		t.Fatal(err)
	}
	list, err := s.Channels()
	if err != nil || len(list) != 2 || list[0].Name != "own" || list[0].From.Path != "" || list[1].Name != "nightly" {
		t.Errorf("Channels = %+v, %v, want the own one as it is, and the other", list, err)
	}
	if err := s.Keep([]byte("channels: [")); err != nil {
		t.Fatal(err)
	}
	if list, err := s.Channels(); mft.CodeOf(err) != mft.CodeConfig || len(list) != 1 {
		t.Errorf("Channels of a file that is broken = %+v, %v, want code %s", list, err, mft.CodeConfig)
	}
}

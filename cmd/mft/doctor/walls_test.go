package doctor

import (
	"testing"

	"mft.dev/mft/internal/restrict"
)

func TestCheckWalls(t *testing.T) {
	up := []restrict.Finding{{Wall: restrict.WallFiles, Up: true}, {Wall: restrict.WallPorts, Open: true}}
	down := []restrict.Finding{{Wall: restrict.WallFiles, Up: true}, {Wall: restrict.WallScope, Why: "old"}}
	for _, tt := range []struct {
		name string
		list []restrict.Report
		want Grade
	}{
		{"up", []restrict.Report{{Role: restrict.RoleKeys, PID: 7, Walls: up}}, GradeOK},
		{"one missing", []restrict.Report{{Role: restrict.RoleExit, Walls: down}}, GradeNote},
		{"no key process", []restrict.Report{{Role: restrict.RoleKeys}}, GradeBad},
	} {
		got := checkWalls(tt.list)
		if len(got) != 1 || got[0].Grade != tt.want || (tt.want != GradeOK && got[0].Remedy == "") {
			t.Errorf("%s: %+v, want grade %s", tt.name, got, tt.want)
		}
	}
}

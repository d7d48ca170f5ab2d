package result

import (
	"encoding/xml"
	"fmt"
	"strings"
)

// The measures of the plot, in pixels.
const (
	plotWidth  = 760
	labelWidth = 96
	unitWidth  = 220 // as long as rsync over ssh takes
	barWidth   = 520 // a longer bar is cut
	barStep    = 20
	barHeight  = 14
	groupGap   = 34
)

// yardstick is who the bars are measured by.
const yardstick = "rsync+ssh"

const plotStyle = `
  .ground { fill: #ffffff }
  text { font: 12px system-ui, sans-serif; fill: #1f2328 }
  .title { font-weight: 600 }
  .soft { fill: #59636e }
  .mft { fill: #0969da } .peer { fill: #8c959f } .limit { fill: #d0d7de }
  .unit { stroke: #59636e; stroke-dasharray: 2 3 }
  @media (prefers-color-scheme: dark) {
    .ground { fill: #0d1117 }
    text { fill: #e6edf3 }
    .soft { fill: #9198a1 }
    .mft { fill: #4493f8 } .peer { fill: #6e7681 } .limit { fill: #3d444d }
    .unit { stroke: #9198a1 }
  }
`

// Plot is the report as SVG: for each workload a bar per contender, as long as
// its time is against that of rsync over ssh. It needs nothing from elsewhere
// and can be read on light and on dark ground.
func (r *Report) Plot() string {
	var b strings.Builder
	y := 46
	for _, g := range r.groups() {
		y = r.plotGroup(&b, g, y)
	}
	var doc strings.Builder
	fmt.Fprintf(&doc, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" role="img">`, plotWidth, y, plotWidth, y)
	doc.WriteString("\n<title>Time of each contender relative to rsync over ssh</title>\n<style>" + plotStyle + "</style>\n")
	fmt.Fprintf(&doc, "<rect class=\"ground\" width=\"%d\" height=\"%d\"/>\n", plotWidth, y)
	fmt.Fprintf(&doc, "<text class=\"soft\" x=\"12\" y=\"22\">Shorter is faster. The dashed line is rsync over ssh; limits of the machine in parentheses.</text>\n")
	doc.WriteString(b.String() + "</svg>\n")
	return doc.String()
}

// plotGroup draws a workload below y and returns where the next one begins.
func (r *Report) plotGroup(b *strings.Builder, g group, y int) int {
	unit := g.unit()
	if unit == 0 {
		return y // nobody has a number
	}
	text(b, "title", 12, y, g.title)
	y += 8
	top := y
	for _, row := range g.rows {
		if len(row.Samples) == 0 {
			continue
		}
		wall := row.Median().Wall
		wide := int(wall / unit * unitWidth)
		said := fmt.Sprintf("%.2f s", wall)
		if wide > barWidth {
			wide = barWidth
			said += " →"
		}
		class := "peer"
		switch {
		case row.Limit:
			class = "limit"
		case row.Contender == "mft":
			class = "mft"
		}
		text(b, "", 12, y+barHeight-2, row.label())
		fmt.Fprintf(b, "<rect class=%q x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"2\"/>\n", class, labelWidth, y, max(1, wide), barHeight)
		text(b, "soft", labelWidth+max(1, wide)+6, y+barHeight-2, said)
		y += barStep
	}
	fmt.Fprintf(b, "<line class=\"unit\" x1=\"%d\" y1=\"%d\" x2=\"%d\" y2=\"%d\"/>\n", labelWidth+unitWidth, top-2, labelWidth+unitWidth, y-4)
	return y + groupGap - barStep/2
}

// unit is the time that all bars of a group are measured by: that of the
// yardstick, or of the slowest if that one has none.
func (g group) unit() float64 {
	slowest := 0.0
	for _, row := range g.rows {
		if len(row.Samples) == 0 {
			continue
		}
		wall := row.Median().Wall
		if row.Contender == yardstick {
			return wall
		}
		slowest = max(slowest, wall)
	}
	return slowest
}

func text(b *strings.Builder, class string, x, y int, said string) {
	fmt.Fprintf(b, "<text class=%q x=\"%d\" y=\"%d\">", class, x, y)
	_ = xml.EscapeText(b, []byte(said)) // a Builder takes everything
	b.WriteString("</text>\n")
}

// Package result holds what a benchmark measured and says it to people: as a
// table of text or Markdown, as a plot in SVG, as JSON, and held against the
// bar that the project has set itself.
//
//	err := report.Table(os.Stdout)
//	err = report.Judge(os.Stdout)
//
// It refuses to hide: a row that has no number says why, and a bar that could
// not be measured is not called reached.
package result

package reach

import (
	"encoding/csv"
	"html/template"
	"io"
	"strconv"
	"strings"
	"time"
)

// WriteCSV writes the lines as CSV (RFC 4180) with a heading. Times are UTC,
// the latency is in seconds.
func WriteCSV(w io.Writer, lines []Line) error {
	out := csv.NewWriter(w)
	out.Write([]string{"contact_point", "party", "institution", "state", "tests", "answered", "median_latency_seconds", "last_test", "last_success"})
	for _, l := range lines {
		latency := ""
		if l.Answered > 0 {
			latency = strconv.FormatFloat(l.Median.Seconds(), 'f', 1, 64)
		}
		out.Write([]string{
			l.ContactPoint, plain(l.Party), plain(l.Institution), string(l.State), strconv.Itoa(l.Tests), strconv.Itoa(l.Answered), latency,
			stamp(l.LastTest), stamp(l.LastSuccess),
		})
	}
	out.Flush()
	return out.Error()
}

// plain keeps spreadsheets from taking a name for a formula.
func plain(s string) string {
	if strings.HasPrefix(strings.TrimLeft(s, " "), "=") || strings.ContainsAny(s[:min(1, len(s))], "+-@\t\r") {
		return "'" + s
	}
	return s
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// WriteHTML writes the lines as one page that stands for itself, for printing.
func WriteHTML(w io.Writer, lines []Line, at time.Time) error {
	counts := map[State]int{}
	for _, l := range lines {
		counts[l.State]++
	}
	return page.Execute(w, map[string]any{"At": at.UTC().Format("2 January 2006, 15:04 UTC"), "Lines": lines, "Counts": counts, "Total": len(lines)})
}

var page = template.Must(template.New("report").Funcs(template.FuncMap{
	"day": func(t time.Time) string {
		if t.IsZero() {
			return "never"
		}
		return t.UTC().Format("2006-01-02 15:04")
	},
	"latency": func(l Line) string {
		if l.Answered == 0 {
			return ""
		}
		return l.Median.Round(time.Second).String()
	},
}).Parse(`<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>24/7 Network: reachability of the contact points</title>
<style>
body { font: 11pt/1.4 sans-serif; margin: 2em; color: #1a1a1a }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; padding: .3em .6em; border-bottom: 1px solid #ccc; vertical-align: top }
td.n { text-align: right }
.unreachable, .silent { color: #a40000; font-weight: bold }
.untested, .waiting { color: #7a5b00 }
.reached { color: #0b5d1e }
</style>
</head>
<body>
<h1>Reachability of the contact points</h1>
<p>As of {{.At}}. {{.Total}} contact points: {{range $state, $n := .Counts}}{{$n}} {{$state}}. {{end}}</p>
<table>
<thead><tr><th>Contact point</th><th>Party</th><th>Institution</th><th>State</th><th>Answered</th><th>Median time</th><th>Last test (UTC)</th><th>Last answer (UTC)</th></tr></thead>
<tbody>
{{range .Lines}}<tr><td>{{.ContactPoint}}</td><td>{{.Party}}</td><td>{{.Institution}}</td><td class="{{.State}}">{{.State}}</td><td class="n">{{.Answered}} of {{.Tests}}</td><td class="n">{{latency .}}</td><td>{{day .LastTest}}</td><td>{{day .LastSuccess}}</td></tr>
{{end}}</tbody>
</table>
<p>A test is a signed and encrypted message; an answer counts only if the contact point signed it.</p>
</body>
</html>
`))

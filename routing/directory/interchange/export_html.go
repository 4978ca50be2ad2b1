package interchange

import (
	"html/template"
	"io"
	"slices"
	"strings"

	"relais.example/routing/directory"
)

// page is the printable form: no scripts, nothing fetched from elsewhere.
var page = template.Must(template.New("directory").Parse(`<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="robots" content="noindex">
<title>Directory of contact points, version {{.Version}}</title>
<style>
body { font: 10pt/1.35 sans-serif; margin: 2em auto; max-width: 60em; }
h1 { font-size: 18pt } h2 { font-size: 14pt; border-bottom: 2px solid; margin-top: 2em } h3 { font-size: 11pt }
table { border-collapse: collapse; width: 100%; margin-bottom: 1em; page-break-inside: avoid }
th, td { border: 1px solid #999; padding: .2em .5em; text-align: left; vertical-align: top; white-space: pre-line }
th { width: 26%; font-weight: normal; background: #eee }
.key { font: 8pt monospace; overflow-wrap: anywhere }
nav { columns: 3; margin-bottom: 2em }
@media print { nav { display: none } h2 { page-break-before: always } }
</style>
</head>
<body>
<h1>Directory of contact points</h1>
<p>Version {{.Version}} of {{.Issued}}. Confidential: for the contact points of the 24/7 Network only.</p>
<nav>{{range .Parties}}<a href="#{{.Code}}">{{.Code}} {{.Name}}</a><br>{{end}}</nav>
{{range .Parties}}<h2 id="{{.Code}}">{{.Name}} ({{.Code}})</h2>
{{template "facts" .Facts}}{{range .Points}}<h3 id="{{.ID}}">{{.ID}} {{.Institution}}</h3>
{{template "facts" .Facts}}{{end}}{{end}}</body>
</html>
{{define "facts"}}<table>
{{range .}}<tr><th scope="row">{{.Label}}</th><td{{if .Key}} class="key"{{end}}>{{.Text}}</td></tr>
{{end}}</table>
{{end}}`))

type fact struct {
	Label, Text string
	Key         bool
}

func facts(t texts, list []string) []fact {
	var out []fact
	for _, f := range list {
		if t[f] != "" && f != fieldParty && f != fieldID && f != fieldInstitution {
			out = append(out, fact{label(f), t[f], f == fieldCertificates})
		}
	}
	return out
}

func writeHTML(w io.Writer, doc *directory.Document) error {
	type point struct {
		ID, Institution string
		Facts           []fact
	}
	type party struct {
		Code, Name string
		Facts      []fact
		Points     []point
	}
	data := struct {
		Version uint64
		Issued  string
		Parties []party
	}{Version: doc.Version, Issued: doc.Issued.UTC().Format("2006-01-02")}
	names := nameFields(doc)
	for i := range doc.Parties {
		p := &doc.Parties[i]
		list := slices.DeleteFunc(slices.Clone(partyFields), func(f string) bool { return strings.HasPrefix(f, fieldNames) })
		out := party{Code: p.Code, Name: p.Names["en"], Facts: facts(partyTexts(p), append(slices.Clone(names), list...))}
		for j := range p.ContactPoints {
			cp := &p.ContactPoints[j]
			t := pointTexts(cp)
			var keys []string
			for _, c := range cp.Certificates() {
				keys = append(keys, directory.KeyText(c))
			}
			t[fieldCertificates] = strings.Join(keys, "\n") // what is compared on the telephone
			out.Points = append(out.Points, point{cp.ID, cp.Institution, facts(t, pointFields)})
		}
		data.Parties = append(data.Parties, out)
	}
	return page.Execute(w, data)
}

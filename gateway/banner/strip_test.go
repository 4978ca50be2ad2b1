package banner

import (
	"encoding/base64"
	"errors"
	"html"
	"mime/quotedprintable"
	"strings"
	"testing"

	"relais.example/gateway/mimeindex"
)

// part is a letter of one part, encoded as it says.
func part(kind, encoding, content string) string {
	switch encoding {
	case "base64":
		content = base64.StdEncoding.EncodeToString([]byte(content))
	case "quoted-printable":
		var b strings.Builder
		w := quotedprintable.NewWriter(&b)
		w.Write([]byte(content))
		w.Close()
		content = b.String()
	}
	return "Content-Type: " + kind + "\r\nContent-Transfer-Encoding: " + encoding + "\r\n\r\n" + content
}

func multi(parts ...string) string {
	out := "Content-Type: multipart/alternative; boundary=\"b-1\"\r\n\r\n"
	for _, p := range parts {
		out += "--b-1\r\n" + p + "\r\n"
	}
	return out + "--b-1--\r\n"
}

// lines puts mark before each line of the note.
func lines(note, mark, end string) string {
	return mark + strings.ReplaceAll(strings.TrimSuffix(note, "\r\n"), "\r\n", end+mark) + end
}

const (
	mine   = "Reply code: PRESERVED until 2027-02-20\r\n\r\nWe kept the logs, \u00e9ric.\r\n\r\n"
	theirs = "Please keep the logs & the rest."
)

// The ways in which mail programs quote.
func quotations(note string) map[string]string {
	htmlLines := func(before, after string) string {
		var b strings.Builder
		for line := range strings.SplitSeq(strings.TrimSuffix(note, "\r\n"), "\r\n") {
			b.WriteString(before + strings.ReplaceAll(html.EscapeString(line), "  ", "&nbsp; ") + after)
		}
		return b.String()
	}
	thunderbird := "<html><head><meta charset=\"UTF-8\"></head><body><p>" + mine + "</p><div class=\"moz-cite-prefix\">On 23/11/2026 17:00, Betaland wrote:<br></div>" +
		"<blockquote type=\"cite\" cite=\"mid:1@betaland.example\"><pre class=\"moz-quote-pre\" wrap=\"\">" + html.EscapeString(note) + "</pre>" +
		"<fieldset class=\"moz-mime-attachment-header\"></fieldset><pre wrap=\"\">" + theirs + "</pre></blockquote></body></html>"
	word := "<html><body><p class=MsoNormal>" + mine + "<o:p></o:p></p><div style='border:none;border-top:solid #E1E1E1 1.0pt'><p class=MsoNormal><b>From:</b> Betaland<br><b>Sent:</b> Monday<o:p></o:p></p></div>" +
		strings.ReplaceAll(htmlLines("<p class=MsoPlainText>", "<o:p></o:p></p>\r\n"), "RELAIS", "<span class=SpellE>RELAIS</span>") +
		"<p class=MsoPlainText>" + theirs + "<o:p></o:p></p></body></html>"
	apple := "<html><body>" + mine + "<br><div><blockquote type=\"cite\"><div>On 23 Nov 2026, at 17:00, Betaland wrote:</div><br class=\"Apple-interchange-newline\"><div><div>" +
		htmlLines("<span>", "</span><br>") + "<br><span>" + theirs + "</span></div></div></blockquote></div></body></html>"
	wrapped := strings.ReplaceAll(lines(note, "> > > ", "\r\n"), " the ", "\r\n> > > the ")
	top := mine + "On 23/11/2026 17:00, Betaland wrote:\r\n"
	return map[string]string{
		"Thunderbird, text":        part("text/plain; charset=UTF-8; format=flowed", "8bit", top+lines(note, "> ", "\r\n")+">\r\n> "+theirs+"\r\n"),
		"Thunderbird, base64":      part("text/plain; charset=UTF-8", "base64", top+lines(note, "> ", "\r\n")+"> "+theirs+"\r\n"),
		"Thunderbird, HTML":        part("text/html; charset=UTF-8", "8bit", thunderbird),
		"Thunderbird, both":        multi(part("text/plain", "quoted-printable", top+lines(note, ">> ", "\r\n")+">> "+theirs), part("text/html; charset=UTF-8", "quoted-printable", thunderbird)),
		"Thunderbird, forwarded":   part("text/plain", "7bit", mine+"-------- Forwarded Message --------\r\nSubject: x\r\n\r\n"+note+"\r\n"+theirs+"\r\n"),
		"Outlook, text":            part("text/plain; charset=\"us-ascii\"", "quoted-printable", mine+"-----Original Message-----\r\nFrom: Betaland\r\nSent: Monday\r\n\r\n"+note+theirs+"\r\n"),
		"Outlook, text with marks": part("text/plain; charset=\"us-ascii\"", "base64", mine+"-----Original Message-----\r\n"+lines(note, "| ", "\r\n")+"| "+theirs+"\r\n"),
		"Outlook, HTML":            part("text/html; charset=\"iso-8859-1\"", "quoted-printable", word),
		"Apple Mail, text":         part("text/plain; charset=utf-8", "quoted-printable", top+lines(note, "> ", "\n")+"> \n> "+theirs+"\n"),
		"Apple Mail, HTML":         multi(part("text/plain; charset=utf-8", "8bit", top+lines(note, "> ", "\r\n")+"> "+theirs), part("text/html; charset=utf-8", "base64", apple)),
		"wrapped, the third time":  part("text/plain", "8bit", top+wrapped+"> > > "+theirs+"\r\n"),
		"twice in a thread":        part("text/plain", "8bit", top+lines(note, "> ", "\r\n")+"> "+theirs+"\r\n> > \r\n"+lines(note, "> > ", "\r\n")+"> > older\r\n"),
		"as one paragraph":         part("text/plain", "8bit", mine+"> "+strings.ReplaceAll(note, "\r\n", " ")+"\r\n> "+theirs),
		"forwarded as an attachment": multi(part("text/plain", "8bit", mine), "Content-Type: message/rfc822\r\n\r\nSubject: x\r\nX-Relais-Verdict: accept;\r\n ok; RELAIS\r\nx-relais-signer: XB-1\r\n"+
			"Content-Type: text/plain\r\n\r\n"+note+theirs+"\r\n"),
		"saved and attached": multi(part("text/plain", "8bit", mine), part("application/octet-stream; name=\"=?utf-8?q?x=2Eeml?=\"", "base64",
			"X-Relais-Verdict: accept; RELAIS\r\nSubject: x\r\nContent-Type: text/plain\r\n\r\n"+note+theirs+"\r\n")),
	}
}

// everything is everything that a letter says, decoded, to the depth of saved mails.
func everything(raw []byte) string {
	var b strings.Builder
	x := mimeindex.Build(raw)
	x.Leaves(func(p *mimeindex.Part) bool {
		b.Write(raw[p.HeaderStart:p.BodyStart])
		content, _ := p.Content(raw)
		if p.OpensAsMail() {
			b.WriteString(everything(content))
		}
		b.Write(content)
		return true
	})
	return b.String()
}

func TestQuotedNotesAreTakenOut(t *testing.T) {
	for _, language := range []Language{English, French} {
		note, _ := signed().Note(language, marks("k"))
		for name, letter := range quotations(note) {
			t.Run(string(language)+", "+name, func(t *testing.T) {
				out, err := Strip([]byte(letter), marks("k"))
				if err != nil {
					t.Fatalf("%v of\n%s", err, letter)
				}
				said := everything(out)
				for _, left := range []string{"RELAIS", "X-Relais", "x-relais", "SHA-512", "AB12", "ACCEPT", "Ed25519", "Deadline", "cheance", "R+D", "R&amp;D"} {
					if strings.Contains(said, left) {
						t.Errorf("%q is left in\n%s", left, said)
					}
				}
				for _, keep := range []string{"PRESERVED until 2027-02-20", "We kept the logs, \u00e9ric.", "Please keep the logs & the rest."} {
					if !strings.Contains(said, keep) {
						t.Errorf("%q is gone from\n%s", keep, said)
					}
				}
				if again, err := Strip(out, marks("k")); err != nil || string(again) != string(out) {
					t.Errorf("once more: %v", err)
				}
			})
		}
	}
}

// Nothing that is not the gateway's is taken out, and nothing that somebody
// wrote into a note is lost in silence.
func TestOnlyWholeNotesOfThisGatewayAreTakenOut(t *testing.T) {
	note, mark := signed().Note(English, marks("k"))
	foreign, _ := signed().Note(English, marks("another"))
	quoted := lines(note, "> ", "\r\n")
	for name, tt := range map[string]struct {
		text    string
		touched bool
	}{
		"no note":                      {mine, false},
		"nothing":                      {"", false},
		"another gateway's note":       {mine + foreign, false},
		"a forged one":                 {"[RELAIS-0000-0000-0000-0000] Note\r\nwords\r\n[/RELAIS-0000-0000-0000-0000]\r\n", false},
		"half a forged one":            {"[RELAIS-0000-0000-0000-0000] Note\r\n", false},
		"brackets":                     {"[RELAIS-" + strings.Repeat("[", 100) + mark, false},
		"words written in":             {strings.Replace(quoted, "> Key:", "> and you know it\r\n> Key:", 1), true},
		"a line deleted":               {strings.Replace(quoted, "> Encrypted: yes, AES-256\r\n", "", 1), true},
		"the end deleted":              {quoted[:len(quoted)/2], true},
		"the beginning deleted":        {quoted[len(quoted)/2:], true},
		"a changed verdict":            {strings.Replace(quoted, "ACCEPTED", "HELD", 1), true},
		"the end of another, then its": {"> [RELAIS-" + mark + "] [/RELAIS-" + mark[:10] + "0000-0000]\r\n" + quoted, true},
	} {
		t.Run(name, func(t *testing.T) {
			for _, letter := range []string{part("text/plain", "8bit", tt.text), part("text/html", "base64", "<pre>"+tt.text+"</pre>"), multi(part("text/plain", "7bit", "x"), part("text/plain", "quoted-printable", tt.text))} {
				out, err := Strip([]byte(letter), marks("k"))
				if errors.Is(err, ErrTouched) != tt.touched || string(out) != letter {
					t.Errorf("%v, and of\n%s\nremains\n%s", err, letter, out)
				}
			}
		})
	}
}

// What an attachment that is no mail holds stays, whatever it is.
func TestAttachmentsStay(t *testing.T) {
	note, _ := signed().Note(English, marks("k"))
	letter := multi(part("text/plain", "8bit", mine), part("application/pdf; name=a.pdf", "base64", note), part("image/png", "7bit", note))
	if out, err := Strip([]byte(letter), marks("k")); err != nil || string(out) != letter {
		t.Errorf("%v\n%s", err, out)
	}
}

func FuzzStrip(f *testing.F) {
	note, _ := signed().Note(English, marks("k"))
	for _, letter := range quotations(note) {
		f.Add(letter)
	}
	f.Add(multi(part("text/html", "8bit", "<"+note+"<br")))
	f.Fuzz(func(t *testing.T, letter string) {
		out, err := Strip([]byte(letter), marks("k"))
		if err != nil {
			return
		}
		if again, err := Strip(out, marks("k")); err != nil || len(again) > len(out) {
			t.Errorf("%v, %d bytes became %d", err, len(out), len(again))
		}
		if !strings.Contains(letter, "RELAIS") && !strings.Contains(strings.ToLower(letter), "content-transfer-encoding") &&
			!strings.Contains(strings.ToLower(letter), "x-relais-") && string(out) != letter {
			t.Errorf("%q became %q", letter, out)
		}
	})
}

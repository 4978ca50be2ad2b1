package reply

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"mime/multipart"
	"net/textproto"
	"strings"
	"time"

	"relais.example/gateway/intake"
	"relais.example/routing/directory"
	"relais.example/routing/directory/interchange"
	"relais.example/routing/inquiry"
	"relais.example/routing/queue"
)

// attachment is one file of an automatic message.
type attachment struct {
	name, kind string
	content    []byte
}

// printable are the forms of a release for people and other programs.
var printable = []struct {
	format     interchange.Format
	name, kind string
}{
	{interchange.HTML, "directory.html", "text/html; charset=utf-8"},
	{interchange.DOCX, "directory.docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"},
	{interchange.CSV, "directory.csv", "text/csv; charset=utf-8"},
	{interchange.VCard, "directory.vcf", "text/vcard; charset=utf-8"},
}

// maxPrintable is up to which size of the document, in bytes, the other forms go
// with it: a mail must not become too large to be taken.
const maxPrintable = 4 << 20

// release sends the Directory in force: the signed document, which a gateway
// installs, the forms that people print and other programs read, and a text
// that says what to do with it.
func (r *Reply) release() (automatic, error) {
	version, doc, signature, err := r.o.Release()
	if err != nil {
		return automatic{}, err
	}
	d := r.o.Directory()
	sum := sha256.Sum256(doc)
	text := fmt.Sprintf(`Version %d of the Directory of the 24/7 Network, issued on %s,
with %d contact points of %d Parties. It replaces every earlier version.

A Relais gateway installs directory.json by itself; only that file is signed by
the authority. The other files say the same for printing, for spreadsheets and
for address books. If you have any doubt, compare the version and the
SHA-256 of directory.json with those that the Secretariat gives by telephone:

    %s

The Directory is confidential: for the members of the Network only.
`, version, d.Issued().UTC().Format("2 January 2006"), d.Counts().ContactPoints, d.Counts().Parties, hex.EncodeToString(sum[:]))
	files := []attachment{
		{directory.FileName, "application/json", doc},
		{directory.FileName + directory.SignatureSuffix, "application/pgp-signature", signature},
	}
	if len(doc) <= maxPrintable {
		vocabulary, err := interchange.DefaultVocabulary()
		if err != nil {
			return automatic{}, err
		}
		for _, p := range printable {
			var b bytes.Buffer
			if err := interchange.Export(&b, d.Document(), p.format, vocabulary); err != nil {
				return automatic{}, err
			}
			files = append(files, attachment{p.name, p.kind, b.Bytes()})
		}
	}
	kind, body, err := withFiles(text, files)
	return automatic{
		subject: fmt.Sprintf("Directory of the 24/7 Network, version %d", version),
		kind:    kind, body: body, outside: [][2]string{{"Auto-Submitted", "auto-generated"}},
	}, err
}

// receipt tells the sender of a release which version is in force here.
func (r *Reply) receipt(desk string) (automatic, error) {
	version, doc, _, err := r.o.Release()
	if err != nil {
		return automatic{}, err
	}
	sum := sha256.Sum256(doc)
	digest := hex.EncodeToString(sum[:])
	return automatic{
		subject: fmt.Sprintf("Directory version %d is installed at %s", version, desk),
		extra:   [][2]string{{intake.DirectoryHeader, fmt.Sprintf("installed %d %s", version, digest)}},
		outside: repliedByMachine,
		body:    fmt.Sprintf("Version %d of the Directory is in force at %s.\r\nSHA-256 of the document: %s\r\n", version, desk, digest),
	}, nil
}

// inquiry answers the questions of a mail, from the Directory of this moment.
func (r *Reply) inquiry(out queue.Out) (automatic, error) {
	asked, err := r.o.Vault.Unseal("inquiry", out.About)
	if err != nil {
		return automatic{}, err
	}
	d, now := r.o.Directory(), time.Now()
	var b strings.Builder
	questions, _ := inquiry.Read("", asked)
	for _, q := range questions {
		fmt.Fprintf(&b, "> %s\n\n%s\n", q, inquiry.Answer(d, q, now, r.o.Keys))
	}
	fmt.Fprintf(&b, "From the Directory of the 24/7 Network, version %d. Confidential. Ask \"help\" for what can be asked.\n", d.Version())
	return automatic{
		subject: "Answer from the Directory", answers: out.Answers, outside: repliedByMachine,
		body: strings.ReplaceAll(b.String(), "\n", "\r\n"),
	}, nil
}

// correction tells a contact point what became of the changes that it asked
// for. The text was written when that happened.
func (r *Reply) correction(out queue.Out) (automatic, error) {
	text, err := r.o.Vault.Unseal("correction", out.About)
	if err != nil {
		return automatic{}, err
	}
	subject := map[string]string{
		queue.CorrectionReceived:  "Your changes of the Directory were received",
		queue.CorrectionConfirmed: "Your changes of the Directory are confirmed",
		queue.CorrectionRejected:  "Your changes of the Directory are rejected",
	}[out.Code]
	if subject == "" {
		return automatic{}, fmt.Errorf("nothing is known of changes that are %q", out.Code)
	}
	return automatic{subject: subject, answers: out.Answers, outside: repliedByMachine, body: strings.ReplaceAll(text, "\n", "\r\n")}, nil
}

// withFiles makes a multipart/mixed body of a text and files.
func withFiles(text string, files []attachment) (contentType, body string, err error) {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	part := func(kind, disposition string, content []byte) {
		if err != nil {
			return
		}
		h := textproto.MIMEHeader{"Content-Type": {kind}, "Content-Transfer-Encoding": {"base64"}, "Content-Disposition": {disposition}}
		p, e := w.CreatePart(h)
		if err = e; err != nil {
			return
		}
		encoded := base64.StdEncoding.EncodeToString(content)
		for len(encoded) > 76 {
			p.Write([]byte(encoded[:76] + "\r\n"))
			encoded = encoded[76:]
		}
		p.Write([]byte(encoded + "\r\n"))
	}
	part("text/plain; charset=utf-8", "inline", []byte(strings.ReplaceAll(text, "\n", "\r\n")))
	for _, f := range files {
		part(f.kind, fmt.Sprintf("attachment; filename=%q", f.name), f.content)
	}
	w.Close()
	return "multipart/mixed; boundary=" + w.Boundary(), b.String(), err
}

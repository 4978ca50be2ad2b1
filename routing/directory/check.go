package directory

import (
	"fmt"
	"reflect"
	"regexp"
	"strings"
	"time"
	_ "time/tzdata" // time zones must be known on a machine without zone files
	"unicode"

	"relais.example/crypto/pgp"
	"relais.example/routing/request"
)

// Bounds of one entry; far above what any contact point needs.
const (
	maxText  = 500 // characters of one text
	maxItems = 50  // items of one list
	maxUnits = 999 // contact points of one Party
)

var (
	digestForm      = regexp.MustCompile(`^[0-9a-f]{64}$`)
	partyForm       = regexp.MustCompile(`^[A-Z]{2}$`)
	idForm          = regexp.MustCompile(`^[A-Z]{2}-[1-9][0-9]{0,3}$`)
	languageForm    = regexp.MustCompile(`^[a-z]{2,3}(-[A-Z]{2})?$`)
	phoneForm       = regexp.MustCompile(`^\+[0-9]([ .-]?[0-9]){5,17}( ext [0-9]{1,6})?$`)
	reservationForm = regexp.MustCompile(`^(CONV|SAP) [0-9]{1,2}(\.[0-9a-z]{1,2}){0,3}$`)
	hoursForm       = regexp.MustCompile(`^(Mo|Tu|We|Th|Fr|Sa|Su)(-(Mo|Tu|We|Th|Fr|Sa|Su))? ([0-9]{2}:[0-9]{2})-([0-9]{2}:[0-9]{2})$`)
)

// prepare fills what is derived (Party codes, certificates) and returns every
// fault of the document. Whether keys are still valid is not its concern, for
// that depends on the time: see [Directory.Health].
func (d *Document) prepare() []Problem {
	c := &checker{
		parties: map[string]bool{}, ids: map[string]bool{},
		address: map[string]string{}, signer: map[string]string{},
	}
	c.document(d)
	return c.list
}

// checker walks a document and remembers what was seen, to find doubles.
type checker struct {
	findings
	parties, ids    map[string]bool
	address, signer map[string]string // folded address, fingerprint: contact point
}

func (c *checker) document(d *Document) {
	if d.Format != Format {
		c.add(CodeValue, "", "format", fmt.Sprintf("format %d is not known", d.Format),
			fmt.Sprintf("write %d, or update Relais if the file comes from a newer one", Format))
		return
	}
	if d.Version == 0 || d.Version > 1<<53 {
		c.add(CodeValue, "", "version", "the version number is missing or out of range", "number releases 1, 2, 3 and so on")
	}
	if y := d.Issued.UTC().Year(); d.Issued.IsZero() || y < 2000 || y > 9999 {
		c.add(CodeMissing, "", "issued", "the time of release is missing or impossible", "write it as 2026-02-01T09:00:00Z")
	}
	if d.Previous != "" && !digestForm.MatchString(d.Previous) {
		c.add(CodeValue, "", "previous", fmt.Sprintf("%q is not a SHA-256 digest", cut(d.Previous)), "write the 64 small hexadecimal digits that sha256sum prints of the release before")
	}
	if len(d.Parties) == 0 {
		c.add(CodeMissing, "", "parties", "no Party is listed", "list at least one")
	}
	for i := range d.Parties {
		c.party(&d.Parties[i], fmt.Sprintf("parties[%d]", i))
	}
	for i := range d.Parties { // only now all identifiers are known
		for j := range d.Parties[i].ContactPoints {
			c.backup(&d.Parties[i].ContactPoints[j])
		}
	}
}

func (c *checker) party(p *Party, place string) {
	entry := p.Code
	if !partyForm.MatchString(p.Code) {
		entry = place
		c.add(CodeValue, entry, "code", fmt.Sprintf("%q is not a country code", cut(p.Code)), "write the two capital letters of ISO 3166-1")
	} else if c.parties[p.Code] {
		c.add(CodeDuplicate, p.Code, "code", "the Party is listed twice", "join both into one")
	}
	c.parties[p.Code] = true
	if p.Names["en"] == "" {
		c.add(CodeMissing, entry, "names.en", "the English name is missing", "add it")
	}
	for lang, name := range p.Names {
		if !languageForm.MatchString(lang) {
			c.add(CodeValue, entry, "names", fmt.Sprintf("%q is not a language", cut(lang)), "write a code such as en or fr")
			continue
		}
		c.text(entry, "names."+lang, name, false)
	}
	c.treaty(entry, "convention", p.Convention)
	c.treaty(entry, "second_protocol", p.SecondProtocol)
	c.atMost(maxItems, entry, "reservations", len(p.Reservations))
	for i, r := range p.Reservations {
		if !reservationForm.MatchString(r) {
			c.add(CodeValue, entry, fmt.Sprintf("reservations[%d]", i), fmt.Sprintf("%q is not an article", cut(r)), "write it as CONV 29.4 or SAP 7.9.a")
		}
	}
	if p.PreservationMaxDays < 0 || p.PreservationMaxDays > 3660 {
		c.add(CodeValue, entry, "preservation_max_days", "out of range", "write days, at most 3660, or leave it out")
	}
	if p.PreservationRenewals < 0 || p.PreservationRenewals > 100 {
		c.add(CodeValue, entry, "preservation_renewals", "out of range", "write at most 100, or leave it out")
	}
	c.provenance(entry, reflect.TypeFor[Party](), p.Provenance)
	c.atMost(maxUnits, entry, "contact_points", len(p.ContactPoints))
	for j := range p.ContactPoints {
		p.ContactPoints[j].Party = p.Code
		c.contactPoint(&p.ContactPoints[j], fmt.Sprintf("%s.contact_points[%d]", place, j))
	}
}

func (c *checker) treaty(entry, field string, t Treaty) {
	if !t.Until.IsZero() && (t.From.IsZero() || !t.Until.After(t.From.Time)) {
		c.add(CodeValue, entry, field, "it ends before it begins", "give from and until in that order")
	}
}

func (c *checker) contactPoint(cp *ContactPoint, place string) {
	entry := cp.ID
	switch {
	case !idForm.MatchString(cp.ID):
		entry = place
		c.add(CodeValue, entry, "id", fmt.Sprintf("%q is not an identifier", cut(cp.ID)), "write Party code, hyphen, number, such as XA-1")
	case !strings.HasPrefix(cp.ID, cp.Party+"-"):
		c.add(CodeValue, entry, "id", "it stands under Party "+cut(cp.Party), "move the entry to its Party, or number it anew")
	case c.ids[cp.ID]:
		c.add(CodeDuplicate, entry, "id", "the identifier is used twice", "give one of them another number")
	}
	c.ids[cp.ID] = true
	switch cp.Role {
	case Police, Prosecutor, Ministry, Mixed:
	default:
		c.add(CodeUnknown, entry, "role", fmt.Sprintf("unknown role %q", cut(string(cp.Role))), "write police, prosecutor, ministry or mixed")
	}
	if cp.Institution == "" {
		c.add(CodeMissing, entry, "institution", "it is missing", "name the institution")
	}
	c.text(entry, "institution", cp.Institution, false)
	c.text(entry, "unit", cp.Unit, false)
	c.text(entry, "postal", cp.Postal, true)
	c.phones(entry, cp.Phones)
	c.addresses(entry, cp)
	c.languages(entry, "languages_in", cp.LanguagesIn)
	c.languages(entry, "languages_out", cp.LanguagesOut)
	c.hours(entry, cp)
	c.atMost(maxItems, entry, "competences", len(cp.Competences))
	for i, k := range cp.Competences {
		if _, err := request.ParseKind(string(k)); err != nil {
			c.add(CodeUnknown, entry, fmt.Sprintf("competences[%d]", i), fmt.Sprintf("unknown kind %q", cut(string(k))), "use a kind such as PRESERVATION; see docs/directory.md")
		}
	}
	c.certificates(entry, cp)
	c.vouchers(entry, cp)
	c.provenance(entry, reflect.TypeFor[ContactPoint](), cp.Provenance)
}

func (c *checker) phones(entry string, phones []Phone) {
	c.atMost(maxItems, entry, "phones", len(phones))
	for i, p := range phones {
		field := fmt.Sprintf("phones[%d]", i)
		if !phoneForm.MatchString(p.Number) {
			c.add(CodePhone, entry, field+".number", fmt.Sprintf("%q is not an international number", cut(p.Number)), "write it as +999 1 555 0100")
		}
		switch p.Use {
		case "office", "out-of-hours", "mobile", "fax":
		default:
			c.add(CodeUnknown, entry, field+".use", fmt.Sprintf("unknown use %q", cut(p.Use)), "write office, out-of-hours, mobile or fax")
		}
		c.text(entry, field+".written", p.Written, false)
	}
}

func (c *checker) addresses(entry string, cp *ContactPoint) {
	if len(cp.Addresses) == 0 {
		c.add(CodeMissing, entry, "addresses", "no e-mail address is listed", "add the address to which requests go")
	}
	c.atMost(maxItems, entry, "addresses", len(cp.Addresses))
	for i, a := range cp.Addresses {
		field := fmt.Sprintf("addresses[%d]", i)
		if fault := checkAddress(a); fault != "" {
			c.add(CodeAddress, entry, field, fmt.Sprintf("%q %s", cut(a), fault), "write a plain address such as cyber@police.example")
			continue
		}
		switch other, taken := c.address[foldAddress(a)]; {
		case taken && other == entry:
			c.add(CodeDuplicate, entry, field, fmt.Sprintf("address %q is listed twice", cut(a)), "keep one")
		case taken:
			c.add(CodeSharedMail, entry, field, fmt.Sprintf("address %q already belongs to %s", cut(a), other), "an address belongs to exactly one contact point: remove it from the other")
		default:
			c.address[foldAddress(a)] = entry
		}
	}
}

func (c *checker) languages(entry, field string, list []string) {
	c.atMost(maxItems, entry, field, len(list))
	for i, l := range list {
		if !languageForm.MatchString(l) {
			c.add(CodeUnknown, entry, fmt.Sprintf("%s[%d]", field, i), fmt.Sprintf("%q is not a language", cut(l)), "write a code such as en or fr")
		}
	}
}

func (c *checker) hours(entry string, cp *ContactPoint) {
	if cp.Zone != "" {
		if _, err := time.LoadLocation(cp.Zone); err != nil || cp.Zone == "Local" || len(cp.Zone) > 64 {
			c.add(CodeZone, entry, "zone", fmt.Sprintf("unknown time zone %q", cut(cp.Zone)), "write an IANA name such as Europe/Paris")
		}
	}
	if cp.Hours == "" || cp.Hours == "24/7" {
		return
	}
	if cp.Zone == "" {
		c.add(CodeMissing, entry, "zone", "office hours are given without a time zone", "add an IANA name such as Europe/Paris")
	}
	for span := range strings.SplitSeq(cp.Hours, "; ") {
		if m := hoursForm.FindStringSubmatch(span); m == nil || m[5] > "24:00" || m[4] >= m[5] || m[4][3:] > "59" || m[5][3:] > "59" {
			c.add(CodeHours, entry, "hours", fmt.Sprintf("%q are no office hours", cut(span)), `write "24/7" or "Mo-Fr 08:00-18:00; Sa 09:00-12:00"`)
		}
	}
}

func (c *checker) certificates(entry string, cp *ContactPoint) {
	c.atMost(maxItems, entry, "certificates", len(cp.CertificatesArmored))
	cp.certificates = nil
	for i, armored := range cp.CertificatesArmored {
		field := fmt.Sprintf("certificates[%d]", i)
		certs, err := pgp.ParseCertificates([]byte(armored))
		if err != nil || len(certs) != 1 {
			fault := fmt.Sprintf("it holds %d certificates", len(certs))
			if err != nil {
				fault = "the certificate cannot be read: " + err.Error()
			}
			c.add(CodeCertificate, entry, field, fault, "paste one armored public key, as gpg --armor --export FINGERPRINT writes it")
			continue
		}
		fpr := certs[0].Fingerprint()
		switch other, taken := c.signer[fpr]; {
		case taken && other == entry:
			c.add(CodeDuplicate, entry, field, "fingerprint "+fpr+": the certificate is listed twice", "keep the newer copy")
		case taken:
			c.add(CodeSharedKey, entry, field, "fingerprint "+fpr+": the certificate already belongs to "+other, "a certificate belongs to exactly one contact point: ask each for a key of its own")
		default:
			c.signer[fpr] = entry
			cp.certificates = append(cp.certificates, certs[0])
		}
	}
}

func (c *checker) backup(cp *ContactPoint) {
	switch {
	case cp.Backup == "":
	case cp.Backup == cp.ID:
		c.add(CodeBackup, cp.ID, "backup", "the contact point is its own backup", "name another one or leave it out")
	case !c.ids[cp.Backup]:
		c.add(CodeBackup, cp.ID, "backup", fmt.Sprintf("%q is not in the Directory", cut(cp.Backup)), "name a listed contact point or leave it out")
	}
}

// text refuses what could disturb a terminal, a header or a reader: control
// characters and the invisible ones that turn the direction of writing.
func (c *checker) text(entry, field, s string, lines bool) {
	n := 0
	for _, r := range s {
		n++
		if r == '\n' && lines {
			continue
		}
		if unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Noncharacter_Code_Point) || r == '\u2028' || r == '\u2029' {
			c.add(CodeValue, entry, field, fmt.Sprintf("it holds the invisible character U+%04X", r), "remove it")
			return
		}
	}
	if s != strings.TrimSpace(s) {
		c.add(CodeValue, entry, field, "it begins or ends with white space", "remove it")
	}
	if n > maxText {
		c.add(CodeValue, entry, field, fmt.Sprintf("it has %d characters, at most %d are allowed", n, maxText), "shorten it")
	}
}

func (c *checker) atMost(most int, entry, field string, n int) {
	if n > most {
		c.add(CodeValue, entry, field, fmt.Sprintf("%d items are listed, at most %d are allowed", n, most), "remove some")
	}
}

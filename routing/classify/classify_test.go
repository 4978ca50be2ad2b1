package classify

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"relais.example/routing/request"
)

func builtIn(t testing.TB) *Classifier {
	t.Helper()
	c, err := Default()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func header(name, value string) map[string][]string { return map[string][]string{name: {value}} }

// TestClassify shows the borders between kinds that staff rely on.
func TestClassify(t *testing.T) {
	const ask = "Under Article 29 of the Convention on Cybercrime we request that you preserve the logs of 192.0.2.14.\n"
	tests := []struct {
		name string
		in   Input
		want []request.Kind
	}{
		{"an empty message goes to triage", Input{}, []request.Kind{request.Unclassified}},
		{"a plain preservation", Input{Body: ask}, []request.Kind{request.Preservation}},
		{"what is quoted does not count", Input{Body: "Second reminder: we have not received a reply to our request. What is its status?\n\nOn 3 May 2026 XB duty wrote:\n> " + ask}, []request.Kind{request.FollowUp}},
		{"what was forwarded counts if the new text points to it", Input{Body: "Colleagues, see below.\n\n-----Original Message-----\nFrom: bank\n\n" + ask}, []request.Kind{request.Preservation}},
		{"a signature does not count", Input{Body: "Ping test. Please reply with the time of receipt.\n-- \nUnit for the preservation of data, Article 29\n"}, []request.Kind{request.Ping}},
		{"an unticked box does not count", Input{Body: "Request status: [x] New request  [ ] Extension of previous request\n" + ask}, []request.Kind{request.Preservation}},
		{"a ticked box counts", Input{Body: "Request status: ☐ New request  ☒ Extension of previous request\nAccount rowan, Article 29\n"}, []request.Kind{request.Extension}},
		{"a box behind its words", Input{Body: ask + "Article 30: [ ]\n"}, []request.Kind{request.Preservation}},
		{"a negated article does not count", Input{Body: "We do not need an order under Article 29. Please provide legal information: is it an offence under your law?\n"}, []request.Kind{request.LegalInfo}},
		{"two things asked", Input{Body: ask + "Please also disclose the subscriber information, Article 31.\n"}, []request.Kind{request.Preservation, request.StoredDataMLA}},
		{"headers of a machine come first", Input{Body: ask, Headers: header("auto-submitted", "auto-replied")}, []request.Kind{request.Auto}},
		{"Auto-Submitted: no is a person", Input{Body: ask, Headers: header("auto-submitted", "no")}, []request.Kind{request.Preservation}},
		{"a delivery report", Input{Body: ask, Headers: header("content-type", "multipart/report; report-type=delivery-status")}, []request.Kind{request.Auto}},
		{"a reply code settles it", Input{Body: "Reply code: PRESERVED until 2027-01-22\n\n" + ask}, []request.Kind{request.Response}},
		{"a code alone on the first line", Input{Body: "REFUSED sovereignty\n\nBest regards\n"}, []request.Kind{request.Response}},
		{"accents, quotes and hyphens do not matter", Input{Body: "SUR LE FONDEMENT DE L’ARTICLE 29 DE LA CONVENTION, VEUILLEZ FAIRE CONSERVER LES DONNÉES DU COMPTE « tilleul ».\n"}, []request.Kind{request.Preservation}},
		{"full-width letters and soft hyphens", Input{Body: "Please ｐｒｅｓｅｒｖｅ the mail\u00adbox under Article 29 of the Con\u00advention.\n"}, []request.Kind{request.Preservation}},
		{"advertising", Input{Body: "Register now for our webinar, 20% discount. Unsubscribe here.\n"}, []request.Kind{request.Unclassified}},
	}
	c := builtIn(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := c.Classify(tt.in)
			if !slices.Equal(got.Kinds, tt.want) {
				t.Errorf("got %v, want %v\ncandidates %+v", got.Kinds, tt.want, got.Candidates)
			}
		})
	}
}

// TestEmergency follows SAP 3.2.c: significant and imminent risk to the life or
// safety of a person, nothing less.
func TestEmergency(t *testing.T) {
	tests := []struct {
		name, body        string
		emergency, claims bool
	}{
		{"hostages", "Two people are being held hostage and the kidnappers will kill them by midnight. Please give us the subscriber.", true, false},
		{"suicide announced, word emergency not used", "She has announced her suicide for tonight. We need the IP address.", true, false},
		{"in French", "Un homme menace de tuer son fils ce soir. Merci de communiquer l’adresse IP.", true, false},
		{"danger and time in two sentences", "The boy was kidnapped. We have received a photograph one hour ago.", true, false},
		{"URGENT alone", "URGENT!!! Please preserve the logs, very urgent!", false, false},
		{"money", "Emergency: money is leaving the account right now, the bank transfer runs.", false, true},
		{"logs about to be erased", "Emergency, please hurry: the logs will be overwritten tonight.", false, true},
		{"said to be none", "There is no risk to life and this is not an emergency. We request the subscriber information.", false, false},
		{"claimed without facts", "Emergency request under Article 9 of the Second Additional Protocol. Disclose the subscriber in 20 minutes.", true, true},
		{"over", "The girl was kidnapped yesterday but is safe and well. We ask for the subscriber of the account.", false, false},
		{"an exercise", "This is an exercise. Pretend that a child was kidnapped one hour ago.", false, false},
		{"a crime of the past", "In the murder investigation of 2019 the accused was convicted. We request the mailbox now.", false, false},
		{"the offence of Article 9 of the Convention", "Offence: Article 9 of the Convention. Please preserve the account.", false, false},
		{"form block", "=== 24/7 REQUEST v1 ===\nkind: EMERGENCY_DISCLOSURE\n=== END ===", true, true},
	}
	c := builtIn(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := c.Classify(Input{Body: tt.body})
			if got.Emergency != tt.emergency || got.ClaimsEmergency != tt.claims {
				t.Errorf("emergency %v, claimed %v; want %v, %v\n%+v", got.Emergency, got.ClaimsEmergency, tt.emergency, tt.claims, got.Evidence)
			}
		})
	}
}

func TestAbsentOfficerIsNoEmergency(t *testing.T) {
	got := builtIn(t).Classify(Input{Body: "I am out of the office. In emergencies ring the duty desk.", Headers: header("auto-submitted", "auto-replied")})
	if got.Emergency || got.Kinds[0] != request.Auto {
		t.Errorf("kinds %v, emergency %v", got.Kinds, got.Emergency)
	}
}

// TestTriageRunsTheCandidatesClocks: below the threshold the candidates stay
// known.
func TestTriageRunsTheCandidatesClocks(t *testing.T) {
	got := builtIn(t).Classify(Input{Body: "Article 30 or Article 31, as you think fit.\n"})
	if got.Kinds[0] != request.Unclassified || len(got.Kinds) != 1 {
		t.Fatalf("kinds %v, want triage", got.Kinds)
	}
	clocks := got.ClockKinds()
	for _, want := range []request.Kind{request.Unclassified, request.PartialDisclosure, request.StoredDataMLA} {
		if !slices.Contains(clocks, want) {
			t.Errorf("clocks of %v, %s missing", clocks, want)
		}
	}
}

func TestEveryCandidateHasEvidence(t *testing.T) {
	long := strings.Repeat("preserv", 100)
	got := builtIn(t).Classify(Input{Subject: "Article 29", Body: "Please " + long + " the logs of the account under Article 29 of the Convention.\n"})
	if len(got.Candidates) == 0 {
		t.Fatal("no candidates")
	}
	for _, candidate := range got.Candidates {
		if len(candidate.Evidence) == 0 || candidate.Score <= 0 || candidate.Score > 1 {
			t.Errorf("%s: score %v, evidence %v", candidate.Kind, candidate.Score, candidate.Evidence)
		}
		for _, e := range candidate.Evidence {
			if e.Rule == "" || e.Text == "" || len([]rune(e.Text)) > 3*maxShown {
				t.Errorf("%s: evidence %+v", candidate.Kind, e)
			}
		}
	}
}

func TestClassifyIsDeterministicAndConcurrent(t *testing.T) {
	file, err := os.Open(filepath.Join("testdata", "labelled.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	samples, err := ReadSamples(file)
	if err != nil {
		t.Fatal(err)
	}
	a, b := builtIn(t), builtIn(t)
	var wg sync.WaitGroup
	for _, s := range samples {
		wg.Go(func() {
			in := s.Input()
			want := a.Classify(in)
			for _, got := range []Result{a.Classify(in), b.Classify(in)} {
				if !reflect.DeepEqual(got, want) {
					t.Errorf("%s: two answers:\n%+v\n%+v", s.ID, got, want)
				}
			}
		})
	}
	wg.Wait()
}

// TestLabelledTexts keeps the rules from getting worse on texts written for
// them. The figures say nothing about texts of other authors; see
// docs/classification.md.
func TestLabelledTexts(t *testing.T) {
	file, err := os.Open(filepath.Join("testdata", "labelled.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	samples, err := ReadSamples(file)
	if err != nil {
		t.Fatal(err)
	}
	f := builtIn(t).Measure(samples, func(Sample) bool { return true })
	if f.Samples < 60 || float64(f.BestGuess) < 0.93*float64(f.Samples) || f.EmergencyMissed > 0 || f.EmergencyFalse > 6 ||
		float64(f.CoverOK) < 0.96*float64(f.Covered) || f.ArticleMissed > 0 || f.ReferenceRight < f.ReferenceOf {
		var report strings.Builder
		if err := f.Write(&report, "labelled texts"); err != nil {
			t.Fatal(err)
		}
		t.Errorf("worse than before:\n%swrong: %v", report.String(), f.Wrong)
	}
}

func TestLongTextIsCut(t *testing.T) {
	c := builtIn(t)
	got := c.Classify(Input{Body: strings.Repeat("é", MaxText/2) + "\nPlease preserve the logs under Article 29.\n"})
	if !got.Cut || len(got.Articles) > 0 {
		t.Errorf("cut %v, articles %v", got.Cut, got.Articles)
	}
}

func TestLanguage(t *testing.T) {
	c := builtIn(t)
	for want, body := range map[string]string{
		"en": "We would like to know which of the accounts have been kept for you by the company.",
		"fr": "Nous vous prions de bien vouloir faire conserver les données du compte dans votre pays.",
		"es": "Solicitamos que conserven los datos de la cuenta hasta la llegada de la comisión rogatoria.",
		"pt": "Solicita-se que sejam guardados os dados da conta até que chegue a carta rogatória.",
		"ro": "Vă rugăm să păstrați datele contului până la sosirea cererii noastre de asistență.",
		"de": "Wir bitten darum, die Daten des Kontos zu sichern, bis unser Ersuchen bei Ihnen eingeht.",
		"it": "Si chiede di conservare i dati della casella fino all'arrivo della nostra rogatoria.",
		"tr": "Hesaba ait kayıtların adli yardımlaşma talebi gelene kadar ve gizli olarak saklanması için bu yazı gönderilmiştir.",
		"":   "xyzzy 4711 plugh",
	} {
		if got := c.Classify(Input{Body: body}).Language; got != want {
			t.Errorf("%q: language %q, want %q", body, got, want)
		}
	}
}

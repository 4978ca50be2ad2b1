package config

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"relais.example/routing/verdict"
)

func fixtures(t testing.TB, kind string) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/" + kind + "/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no fixtures in testdata/%s: %v", kind, err)
	}
	return files
}

func TestGoodFilesAreAccepted(t *testing.T) {
	for _, file := range fixtures(t, "good") {
		t.Run(filepath.Base(file), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := Parse(data, "relais.yaml"); err != nil {
				t.Error(err)
			}
		})
	}
}

// Each bad file ends with "# want" lines: everything that must be reported.
func TestBadFilesReportEveryErrorAtOnce(t *testing.T) {
	for _, file := range fixtures(t, "bad") {
		t.Run(filepath.Base(file), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var want []string
			for line := range strings.Lines(string(data)) {
				if w, ok := strings.CutPrefix(line, "# want "); ok {
					want = append(want, strings.TrimSpace(w))
				}
			}
			c, err := Parse(data, "relais.yaml")
			if err == nil {
				t.Fatal("accepted")
			}
			if c != nil {
				t.Error("a configuration beside an error")
			}
			if got := err.Error(); got != strings.Join(want, "\n") {
				t.Errorf("got:\n%s\nwant:\n%s", got, strings.Join(want, "\n"))
			}
		})
	}
}

func TestAPasswordInTheRedisURLIsNotRepeated(t *testing.T) {
	for _, url := range []string{"redis://relais:hunter2@redis.alphaland.example", "redis://relais:hunter2%zz@h:1", "http://relais:hunter2@h"} {
		_, err := Parse([]byte("redis: {url: \""+url+"\"}\n"), "relais.yaml")
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", url, err)
		}
	}
}

func TestEveryDefaultIsWhatItsTagSays(t *testing.T) {
	var visit func(typ reflect.Type, key string)
	visit = func(typ reflect.Type, key string) {
		for _, f := range reflect.VisibleFields(typ) {
			at := key + "." + f.Tag.Get("yaml")
			if f.Tag.Get("yaml") == "" || f.Tag.Get("doc") == "" {
				t.Errorf("%s (%s) lacks a yaml or doc tag", at, f.Name)
			}
			if nested(f) {
				elem := f.Type
				if elem.Kind() == reflect.Slice {
					elem = elem.Elem()
				}
				visit(elem, at)
				continue
			}
			if f.Tag.Get("required") == "true" && f.Tag.Get("example") == "" {
				t.Errorf("%s is required and has no example", at)
			}
			typ := f.Type
			if typ.Kind() == reflect.Map {
				continue
			}
			if typ.Kind() == reflect.Slice {
				typ = typ.Elem()
			}
			for _, tag := range []string{"default", "min", "max"} {
				for _, one := range strings.Split(f.Tag.Get(tag), ",") {
					if one == "" {
						continue
					}
					if err := setScalar(reflect.New(typ).Elem(), one, f.Tag); err != nil {
						t.Errorf("%s: tag %s: %v", at, tag, err)
					}
				}
			}
		}
	}
	visit(reflect.TypeFor[Config](), "")
}

func TestDefaultsApplyWhereTheFileIsSilent(t *testing.T) {
	data, err := os.ReadFile("testdata/good/empty-sections.yaml")
	if err != nil {
		t.Fatal(err)
	}
	c, err := Parse(data, "relais.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if !c.Redis.Embedded() || !c.Desks[0].Acknowledge || c.Desks[0].Inbox != "decrypted" {
		t.Errorf("defaults missing: %+v", c)
	}
	if c.Limits.MessageSize != 48<<20 || c.Policy.SignatureMaxAge != 8760*time.Hour || len(c.Relay.Retry) != 7 {
		t.Errorf("defaults missing: %+v", c)
	}
	if c.HeloName() != "relais.alphaland.example" {
		t.Errorf("helo %q", c.HeloName())
	}
	if d := Default(); d.Listen != c.Listen || d.Relay.TLS != "required" {
		t.Errorf("Default differs from a silent file: %+v", d)
	}
}

func TestConfiguredReasonsBecomeAPolicy(t *testing.T) {
	p := Policy{Reasons: map[string]string{"not-bound": "accept", "nonsense": "accept"}}
	want := verdict.Policy{verdict.NotBound: verdict.Accept}
	if got := p.Verdicts(); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestSplitAddress(t *testing.T) {
	for _, tt := range []struct {
		address, host string
		port          int
		implicit      bool
	}{
		{"mx.betaland.example:25", "mx.betaland.example", 25, false},
		{"mx.betaland.example:465", "mx.betaland.example", 465, true},
		{"[2001:db8::1]:2525", "2001:db8::1", 2525, false},
	} {
		host, port, implicit := SplitAddress(tt.address)
		if host != tt.host || port != tt.port || implicit != tt.implicit {
			t.Errorf("%s: %s %d %v", tt.address, host, port, implicit)
		}
	}
}

func TestGeneratedFilesFollowTheStruct(t *testing.T) {
	for name, want := range map[string][]byte{
		"../../configs/relais.example.yaml": Example(),
		"../../docs/configuration.md":       Describe(),
	} {
		got, err := os.ReadFile(name)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s differs from the struct (%v): run make generate", name, err)
		}
	}
}

func TestTheExampleIsValidAndShowsTheDefaults(t *testing.T) {
	c, err := Parse(Example(), "relais.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	want.Hostname, want.TLS, want.Policy.Reasons = c.Hostname, c.TLS, c.Policy.Reasons
	want.Desks = []Desk{{ID: "XA-1", KeyFiles: []string{"keys/XA-1.asc"}, Acknowledge: true, RemindStaff: true, Inbox: "decrypted", Banner: "en"}}
	want.Relay.NextHops, want.Keyholder.Users = []NextHop{}, []string{}
	want.Policy.SHA1Waivers = []Waiver{}
	if !reflect.DeepEqual(c, want) {
		t.Errorf("got  %+v\nwant %+v", c, want)
	}
}

func TestTheCommentedPartOfTheExampleIsValidToo(t *testing.T) {
	shown := strings.NewReplacer("next_hops: []", "next_hops:", "sha1_waivers: []", "sha1_waivers:").Replace(string(Example()))
	shown = regexp.MustCompile(`(?m)^  #( {3,}[-a-z])`).ReplaceAllString(shown, "  $1")
	c, err := Parse([]byte(shown), "relais.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	want := []NextHop{{ContactPoint: "XB-1", Address: "mx.betaland.example:25", TLS: "required"}}
	if !reflect.DeepEqual(c.Relay.NextHops, want) {
		t.Errorf("got %+v", c.Relay.NextHops)
	}
	if w := c.Policy.SHA1Waivers; len(w) != 1 || w[0].ContactPoint != "XB-1" || w[0].Until != "2027-12-31" {
		t.Errorf("got %+v", w)
	}
}

func FuzzLoad(f *testing.F) {
	for _, kind := range []string{"good", "bad"} {
		for _, file := range fixtures(f, kind) {
			data, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(data)
		}
	}
	f.Add(Example())
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := Parse(data, "relais.yaml")
		if (c == nil) == (err == nil) {
			t.Fatalf("config %v, error %v", c, err)
		}
		if err == nil {
			return
		}
		var list Errors
		if !errors.As(err, &list) || len(list) == 0 {
			t.Fatalf("%T: %v", err, err)
		}
		last := bytes.Count(data, []byte("\n")) + bytes.Count(data, []byte("\r")) + 1
		for _, p := range list {
			if p.Line < 1 || p.Line > last || p.Text == "" {
				t.Fatalf("problem %+v in a file of %d lines", p, last)
			}
		}
	})
}

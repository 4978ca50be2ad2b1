package directory

import (
	"os"
	"reflect"
	"strings"
	"testing"

	"relais.example/routing/request"
)

// Every field, kind and finding stands in the description of the format.
func TestFormatIsDescribed(t *testing.T) {
	page, err := os.ReadFile("../../docs/directory.md")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, v := range []any{Document{}, Party{}, ContactPoint{}, Phone{}, Treaty{}, Voucher{}, Provenance{}} {
		for _, f := range reflect.VisibleFields(reflect.TypeOf(v)) {
			if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "" && name != "-" {
				names = append(names, name)
			}
		}
	}
	for _, k := range request.Kinds() {
		names = append(names, string(k))
	}
	names = append(names, string(Police), string(Prosecutor), string(Ministry), string(Mixed),
		CodeSyntax, CodeUnknownField, CodeRepeated, CodeType, CodeMissing, CodeValue, CodeDuplicate, CodeSharedMail,
		CodeUnknown, CodePhone, CodeAddress, CodeHours, CodeZone, CodeBackup, CodeSharedKey, CodeCertificate)
	names = append(names, HealthCodes()...)
	for _, name := range names {
		if !strings.Contains(string(page), "`"+name+"`") {
			t.Errorf("docs/directory.md does not describe %s", name)
		}
	}
}

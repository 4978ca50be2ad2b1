package classify

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"relais.example/routing/request"
)

// TestForm shows what mail programs may do to the block.
func TestForm(t *testing.T) {
	const plain = "=== 24/7 REQUEST v1 ===\nkind: PRESERVATION\nreference: GL-2026-400\ndata: mailbox rowan@mail.example,\nlog-ins of May, 02:11 UTC, http://mail.example/a\nmood: calm\n=== END ===\n"
	want := map[string]string{"kind": "PRESERVATION", "reference": "GL-2026-400",
		"data": "mailbox rowan@mail.example, log-ins of May, 02:11 UTC, http://mail.example/a", "mood": "calm"}
	tests := map[string]string{
		"plain":            plain,
		"CRLF":             strings.ReplaceAll(plain, "\n", "\r\n"),
		"indented":         "  " + strings.ReplaceAll(plain, "\n", "\n  "),
		"no-break spaces":  strings.ReplaceAll(plain, " ", "\u00a0"),
		"re-wrapped":       strings.ReplaceAll(plain, "\nreference", " reference"),
		"quoted, no reply": "> " + strings.ReplaceAll(strings.TrimSpace(plain), "\n", "\n> ") + "\n",
		"longer marks":     strings.ReplaceAll(plain, "===", "====="),
		"no end":           strings.TrimSuffix(plain, "=== END ===\n"),
		"capitals":         strings.NewReplacer("kind:", "Kind:", "reference:", "REFERENCE:").Replace(plain),
	}
	c := builtIn(t)
	for name, body := range tests {
		t.Run(name, func(t *testing.T) {
			got := c.Classify(Input{Body: body})
			for key, value := range want {
				if got.Form[key] != value {
					t.Errorf("%s: %q, want %q", key, got.Form[key], value)
				}
			}
			if got.Kinds[0] != request.Preservation || got.Confidence < 0.9 || got.TheirReference != "GL-2026-400" {
				t.Errorf("kinds %v, confidence %v, reference %q", got.Kinds, got.Confidence, got.TheirReference)
			}
		})
	}
}

func TestFormOfAQuotedRequestDoesNotSpeakForTheReply(t *testing.T) {
	got := builtIn(t).Classify(Input{Body: "We withdraw our request, it is no longer needed.\n\n> === 24/7 REQUEST v1 ===\n> kind: PRESERVATION\n> === END ===\n"})
	if got.Form != nil || got.Kinds[0] != request.Withdrawal {
		t.Errorf("form %v, kinds %v", got.Form, got.Kinds)
	}
}

func TestFormKinds(t *testing.T) {
	tests := []struct {
		form map[string]string
		want []request.Kind
	}{
		{map[string]string{"kind": "preservation"}, []request.Kind{request.Preservation}},
		{map[string]string{"kind": "Stored data MLA"}, []request.Kind{request.StoredDataMLA}},
		{map[string]string{"kind": "PRESERVATION, STORED_DATA_MLA, PING"}, []request.Kind{request.Preservation, request.StoredDataMLA}},
		{map[string]string{"kind": "PRESERVATION", "request_status": "Extension of previous request"}, []request.Kind{request.Extension}},
		{map[string]string{"kind": "PRESERVATION", "expedited_disclosure": "Yes"}, []request.Kind{request.Preservation, request.PartialDisclosure}},
		{map[string]string{"kind": "ESCAPE"}, nil},
		{nil, nil},
	}
	for _, tt := range tests {
		if got := formKinds(tt.form); !slices.Equal(got, tt.want) {
			t.Errorf("%v: got %v, want %v", tt.form, got, tt.want)
		}
	}
}

func TestFormIsBounded(t *testing.T) {
	var b strings.Builder
	b.WriteString("=== 24/7 REQUEST v1 ===\n")
	for i := range 5000 {
		fmt.Fprintf(&b, "key %d: %s\n", i, strings.Repeat("kind: x ", 30))
	}
	form := builtIn(t).Classify(Input{Body: b.String()}).Form
	if len(form) > maxFormKeys {
		t.Errorf("%d keys", len(form))
	}
	for key, value := range form {
		if len(key) > maxKey || len(value) > maxFormValue {
			t.Errorf("key %q: %d bytes", key, len(value))
		}
	}
}

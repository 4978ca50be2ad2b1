package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"relais.example/crypto/pgp"
	"relais.example/gateway/accounts"
	"relais.example/gateway/setup"
	"relais.example/routing/directory"
	"relais.example/routing/directory/pending"
)

// relais runs a command with input and returns what it printed.
func relais(t *testing.T, input string, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	root := newRootCommand()
	root.SetArgs(args)
	root.SetIn(strings.NewReader(input))
	root.SetOut(&out)
	root.SetErr(&out)
	err := root.ExecuteContext(t.Context())
	return out.String(), err
}

// install writes an installation with the desk XA-1 and the remote XB-1.
func install(t *testing.T) (config string, written *setup.Written) {
	t.Helper()
	point := func(id, address string) directory.ContactPoint {
		return directory.ContactPoint{ID: id, Role: directory.Police, Institution: id, Addresses: []string{address}, Hours: "24/7", Zone: "UTC",
			Phones: []directory.Phone{{Number: "+999 2 555 0111", Use: "out-of-hours"}}}
	}
	in := setup.Installation{
		Hostname: "relais.alphaland.example", Algorithm: pgp.Curve25519, Desks: []string{"XA-1"},
		Parties: []directory.Party{
			{Code: "XA", Names: map[string]string{"en": "Alphaland"}, ContactPoints: []directory.ContactPoint{point("XA-1", "cp@alphaland.example")}},
			{Code: "XB", Names: map[string]string{"en": "Betaland"}, ContactPoints: []directory.ContactPoint{point("XB-1", "cp@betaland.example")}},
		},
		Staff: []accounts.Account{
			{User: "amy", Desk: "XA-1", Role: accounts.Officer, Name: "Amy"}, {User: "ben", Desk: "XA-1", Role: accounts.Supervisor, Name: "Ben"},
			{User: "aud", Desk: "XA-1", Role: accounts.Auditor, Name: "Aud"}, {User: "bob", Desk: "XB-1", Role: accounts.Officer, Name: "Bob"},
		},
	}
	written, err := in.Write(filepath.Join(t.TempDir(), "relais"))
	if err != nil {
		t.Fatal(err)
	}
	return written.Config, written
}

func TestDirectoryHealthOfASoundInstallation(t *testing.T) {
	config, _ := install(t)
	out, err := relais(t, "", "directory", "health", "--config", config)
	if err != nil || out != "version 1: 2 certificates in 2 contact points, 0 errors, 0 warnings\n" {
		t.Errorf("%v\n%s", err, out)
	}
	// The keys last for two years.
	out, err = relais(t, "", "directory", "health", "--config", config, "--within", "731d", "--keys")
	if err != nil || strings.Count(out, "warning key-expires-soon: directory: entry X") != 2 || !strings.Contains(out, "0 errors, 2 warnings\n") {
		t.Errorf("%v\n%s", err, out)
	}
	if !strings.Contains(out, "Ed25519          signs") || !strings.Contains(out, "ECDH-Curve25519  receives") {
		t.Errorf("keys:\n%s", out)
	}
	if out, err := relais(t, "", "directory", "health", "--config", config, "--within", "soon"); err == nil {
		t.Errorf("--within soon: %s", out)
	}
}

func TestDirectoryHealthComparesTheDesksKeys(t *testing.T) {
	config, written := install(t)
	other, err := pgp.GenerateKey("Other", "cp@alphaland.example", pgp.Curve25519, time.Now(), 0)
	if err != nil {
		t.Fatal(err)
	}
	armored, err := other.Armor(nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(filepath.Dir(config), "keys", "XA-1.asc"), armored, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := relais(t, "", "directory", "health", "--config", config)
	for _, want := range []string{"error desk-key-not-listed: ", other.Certificate().Fingerprint(), "error desk-key-missing: ", written.Keys["XA-1"].Certificate().Fingerprint()} {
		if err == nil || !strings.Contains(out, want) {
			t.Errorf("%v; %q is missing\n%s", err, want, out)
		}
	}
	if err := os.Remove(filepath.Join(filepath.Dir(config), "keys", "XA-1.asc")); err != nil {
		t.Fatal(err)
	}
	if out, err := relais(t, "", "directory", "health", "--config", config); err != nil || !strings.Contains(out, "the keys of the desks are not compared") {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestDirectoryHealthAsJSONAndItsExitStatus(t *testing.T) {
	now := time.Now().UTC().Truncate(time.Second)
	key := func(validFor time.Duration) *pgp.Key {
		k, err := pgp.GenerateKey("K", "k@betaland.example", pgp.Curve25519, now.Add(-48*time.Hour), validFor)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	authority, expired := key(0), key(24*time.Hour)
	doc := directory.Document{Format: directory.Format, Version: 3, Issued: now, Parties: []directory.Party{{
		Code: "XB", Names: map[string]string{"en": "Betaland"}, ContactPoints: []directory.ContactPoint{{
			ID: "XB-1", Role: directory.Police, Institution: "I", Addresses: []string{"k@betaland.example"}, CertificatesArmored: []string{string(expired.Certificate().Armor())}}},
	}}}
	text, err := doc.Encode()
	if err != nil {
		t.Fatal(err)
	}
	signature, _, err := directory.Sign(text, authority, now, true)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "directory.json")
	for name, content := range map[string][]byte{file: text, file + ".asc": signature, filepath.Join(filepath.Dir(file), "authority.asc"): authority.Certificate().Armor()} {
		if err := os.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out, err := relais(t, "", "directory", "health", "--file", file, "--json")
	if err == nil || !strings.Contains(err.Error(), "3 errors in version 3") {
		t.Errorf("exit: %v", err)
	}
	var got struct {
		Version      uint64
		Findings     []directory.Finding
		Certificates []struct {
			ContactPoint  string    `json:"contact_point"`
			ReceivesUntil time.Time `json:"receives_until"`
			Keys          []pgp.KeyInfo
		}
	}
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if got.Version != 3 || len(got.Findings) != 3 || got.Findings[0].Code != "key-expired" || got.Findings[0].Severity != directory.Error ||
		got.Findings[0].Fingerprint != expired.Certificate().Fingerprint() || !got.Findings[0].Date.Equal(now.Add(-24*time.Hour)) {
		t.Errorf("%+v", got.Findings)
	}
	if len(got.Certificates) != 1 || len(got.Certificates[0].Keys) != 2 || !got.Certificates[0].ReceivesUntil.Equal(now.Add(-24*time.Hour)) {
		t.Errorf("%+v", got.Certificates)
	}
}

func TestDirectoryPendingNeedsTwoPeopleWhoProveIt(t *testing.T) {
	config, written := install(t)
	run := func(user string, args ...string) (string, error) {
		t.Helper()
		return relais(t, written.Passwords[user]+"\n", append(append([]string{"directory", "pending"}, args...), "--config", config)...)
	}
	if out, err := run("amy", "list"); err == nil || !strings.Contains(err.Error(), "no changes are pending") {
		t.Errorf("%v\n%s", err, out)
	}
	store, err := pending.OpenStore(filepath.Join(filepath.Dir(config), "data", "directory-pending"))
	if err != nil {
		t.Fatal(err)
	}
	propose := func(fingerprint string) string {
		c, _, err := store.Propose(pending.Proposal{Kind: pending.Certificate, ContactPoint: "XB-1", Path: "certificates", New: "armor", Fingerprint: fingerprint,
			News: []string{"a certificate that is not listed (Ed25519)"}, Carrier: pending.Attachment, Signer: "0123", Desk: "XA-1", Seen: time.Now().Add(-time.Hour)})
		if err != nil {
			t.Fatal(err)
		}
		return c.ID
	}
	id := propose("AAAABBBB")
	shown, err := run("", "show", id)
	for _, want := range []string{id, "AAAA BBBB", "+999 2 555 0111 (out-of-hours)", "a certificate that is not listed"} {
		if err != nil || !strings.Contains(shown, want) {
			t.Errorf("show: %v; %q is missing\n%s", err, want, shown)
		}
	}

	number := []string{"confirm", id, "--called", "+999 2-555-0111", "--with", "duty officer"}
	for _, tt := range []struct {
		name, user string
		args       []string
		want       string
	}{
		{"a wrong password", "ben", append(number, "--by", "amy"), "password"},
		{"an auditor", "aud", append(number, "--by", "aud"), "auditor"},
		{"another desk", "bob", append(number, "--by", "bob"), "belongs to XB-1"},
		{"a number that is not listed", "amy", []string{"confirm", id, "--called", "+999 2 555 0112", "--by", "amy"}, "lists no number"},
		{"no way", "amy", []string{"confirm", id, "--by", "amy"}, "a mail is no confirmation"},
		{"export too early", "amy", []string{"export", id, "--by", "amy"}, "two people must have confirmed it"},
	} {
		if out, err := run(tt.user, tt.args...); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v\n%s", tt.name, err, out)
		}
	}
	if out, err := run("amy", append(number, "--by", "amy")...); err != nil || !strings.Contains(out, "a second, different person must confirm it") {
		t.Fatalf("first: %v\n%s", err, out)
	}
	if out, err := run("amy", append(number, "--by", "AMY")...); err == nil || !strings.Contains(err.Error(), "same person") {
		t.Errorf("the same person: %v\n%s", err, out)
	}
	if out, err := run("ben", "confirm", id, "--met", "annual meeting", "--by", "ben"); err != nil || !strings.Contains(out, "confirmed by amy and ben") {
		t.Fatalf("second: %v\n%s", err, out)
	}
	if out, err := run("", "list"); err != nil || !strings.Contains(out, "confirmed") || !strings.Contains(out, "amy, ben") {
		t.Errorf("list: %v\n%s", err, out)
	}

	file := filepath.Join(t.TempDir(), "change.json")
	if out, err := run("ben", "export", id, "--by", "ben", "--out", file); err != nil {
		t.Fatalf("export: %v\n%s", err, out)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var change pending.Change
	if err := json.Unmarshal(text, &change); err != nil || change.Proposal.Fingerprint != "AAAABBBB" || len(change.History) != 4 ||
		change.History[1].How != "call-back to +999 2 555 0111 (out-of-hours)" || change.History[2].How != "met in person: annual meeting" {
		t.Errorf("exported %v\n%s", err, text)
	}
	if out, err := run("", "list"); err != nil || strings.Contains(out, id) {
		t.Errorf("handed over, but still listed: %v\n%s", err, out)
	}

	other := propose("CCCC")
	if out, err := run("amy", "reject", other, "--by", "amy", "--why", "they did not send it"); err != nil {
		t.Errorf("reject: %v\n%s", err, out)
	}
	if out, err := run("", "list", "--all", "--json"); err != nil || !strings.Contains(out, "they did not send it") || !strings.Contains(out, id) {
		t.Errorf("list --all: %v\n%s", err, out)
	}
	// Nothing of it has changed the Directory.
	if out, err := relais(t, "", "directory", "show", "XB-1", "--config", config); err != nil || strings.Contains(out, "AAAABBBB") || !strings.Contains(out, written.Keys["XB-1"].Certificate().Fingerprint()) {
		t.Errorf("%v\n%s", err, out)
	}
}

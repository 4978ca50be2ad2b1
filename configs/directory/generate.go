//go:build ignore

// Command generate makes the sample Directory anew:
//
//	go run configs/directory/generate.go configs/directory
//
// It writes sample.json, sample.json.asc and authority.asc. The private keys
// exist only while it runs: nobody can sign or read as these contact points.
package main

import (
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	"relais.example/crypto/pgp"
	"relais.example/routing/directory"
	"relais.example/routing/request"
)

var (
	created = time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)
	issued  = time.Date(2025, 1, 2, 9, 0, 0, 0, time.UTC)
)

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: go run configs/directory/generate.go FOLDER")
	}
	if err := generate(os.Args[1]); err != nil {
		log.Fatal(err)
	}
}

func generate(dir string) error {
	doc := sample()
	for i := range doc.Parties {
		for j := range doc.Parties[i].ContactPoints {
			cp := &doc.Parties[i].ContactPoints[j]
			key, err := pgp.GenerateKey(cp.ID+" "+cp.Institution, cp.Addresses[0], pgp.Curve25519, created, 0)
			if err != nil {
				return err
			}
			cp.CertificatesArmored = []string{string(key.Certificate().Armor())}
		}
	}
	authority, err := pgp.GenerateKey("Directory authority of the sample", "directory@secretariat.example", pgp.Curve25519, created, 0)
	if err != nil {
		return err
	}
	raw, err := doc.Encode()
	if err != nil {
		return err
	}
	signature, warnings, err := directory.Sign(raw, authority, issued, false)
	if err != nil {
		return err
	}
	if len(warnings) > 0 {
		return fmt.Errorf("the sample has warnings: %v", warnings)
	}
	for name, content := range map[string][]byte{
		"sample.json": raw, "sample.json.asc": signature, "authority.asc": authority.Certificate().Armor(),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			return err
		}
	}
	return nil
}

func sample() *directory.Document {
	return &directory.Document{
		Format: directory.Format, Version: 1, Issued: issued,
		Parties: []directory.Party{
			{
				Code: "XA", Names: map[string]string{"en": "Alphaland", "fr": "Alphalande"},
				Convention: from(2004, 7, 1), SecondProtocol: from(2024, 10, 1),
				PreservationMaxDays: 90, PreservationRenewals: 2,
				ContactPoints: []directory.ContactPoint{
					{
						ID: "XA-1", Role: directory.Police, Institution: "National Police of Alphaland", Unit: "Cybercrime Unit, 24/7 Contact Point",
						Postal:      "1 Harbour Street\n1000 Alphaville\nAlphaland",
						Phones:      []directory.Phone{{Number: "+999 1 555 0100", Use: "office"}, {Number: "+999 1 555 0199", Use: "out-of-hours"}},
						Addresses:   []string{"cyber247@police.alphaland.example", "duty.officer@police.alphaland.example"},
						LanguagesIn: []string{"en", "fr"}, LanguagesOut: []string{"en", "fr"}, Hours: "24/7", Zone: "Europe/Paris",
						Competences: []request.Kind{
							request.Preservation, request.Extension, request.PartialDisclosure, request.TechAdvice, request.EvidenceHelp,
							request.LegalInfo, request.LocateSuspect, request.Spontaneous, request.EmergencyDisclosure, request.Ping,
						},
						Backup: "XA-2",
					},
					{
						ID: "XA-2", Role: directory.Prosecutor, Institution: "Prosecutor General's Office of Alphaland", Unit: "International Cooperation Section",
						Postal:      "7 Court Square\n1000 Alphaville\nAlphaland",
						Phones:      []directory.Phone{{Number: "+999 1 555 0200", Use: "office"}, {Number: "+999 1 555 0299", Use: "mobile"}},
						Addresses:   []string{"cooperation@prosecution.alphaland.example"},
						LanguagesIn: []string{"en", "fr"}, LanguagesOut: []string{"en"}, Hours: "Mo-Fr 08:30-17:30", Zone: "Europe/Paris",
						Competences: []request.Kind{
							request.StoredDataMLA, request.RealtimeTraffic, request.Interception, request.OrderEffect, request.EmergencyMLA, request.Ping,
						},
						Backup: "XA-1",
					},
				},
			},
			{
				Code: "XB", Names: map[string]string{"en": "Betaland", "fr": "Bêtalande"},
				Convention: from(2010, 3, 1), Reservations: []string{"CONV 29.4"},
				PreservationMaxDays: 60, PreservationRenewals: 1, FormalConfirmation: true,
				ContactPoints: []directory.ContactPoint{{
					ID: "XB-1", Role: directory.Prosecutor, Institution: "Office of the Prosecutor General of Betaland", Unit: "Cybercrime Department",
					Postal:      "22 Avenida Central\nBetaville\nBetaland",
					Phones:      []directory.Phone{{Number: "+999 2 555 0100", Use: "office"}, {Number: "+999 2 555 0111", Use: "out-of-hours"}},
					Addresses:   []string{"ciber@fiscalia.betaland.example"},
					LanguagesIn: []string{"es", "en"}, LanguagesOut: []string{"es", "en"}, Hours: "Mo-Fr 08:00-18:00; Sa 09:00-12:00", Zone: "America/Bogota",
				}},
			},
			{
				Code: "XC", Names: map[string]string{"en": "Gammaland", "fr": "Gammalande"},
				Convention: from(2018, 1, 1), SecondProtocol: from(2025, 1, 1), Reservations: []string{"SAP 7.9.a"},
				ContactPoints: []directory.ContactPoint{{
					ID: "XC-1", Role: directory.Mixed, Institution: "Ministry of the Interior of Gammaland", Unit: "Division for Cybercrime",
					Postal:      "Gamma Plaza 3\nGammaville\nGammaland",
					Phones:      []directory.Phone{{Number: "+999 3 555 0100", Use: "out-of-hours"}, {Number: "+999 3 555 0101", Use: "fax"}},
					Addresses:   []string{"cp247@interior.gammaland.example"},
					LanguagesIn: []string{"en"}, LanguagesOut: []string{"en"}, Hours: "24/7", Zone: "Asia/Tokyo",
				}},
			},
		},
	}
}

func from(year int, month time.Month, day int) directory.Treaty {
	return directory.Treaty{From: directory.Date{Time: time.Date(year, month, day, 0, 0, 0, 0, time.UTC)}}
}

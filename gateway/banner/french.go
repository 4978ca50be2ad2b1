package banner

import "relais.example/routing/verdict"

func french() words {
	return words{
		title: "Note de la passerelle", below: "Sous cette note ne figure que ce que l'expéditeur a écrit.",
		accepted: "ACCEPTÉ", held: "RETENU",
		signedBy: "Signé par : ", nobody: "personne. L'auteur n'est pas prouvé.",
		key: "Clé : ", until: "expire le %s", never: "n'expire jamais", expiresSoon: "expire bientôt : demandez la nouvelle",
		weak: "ne tient que par SHA-1 : demandez-en une nouvelle", signed: "Signé : ",
		before: "%s avant l'arrivée", after: "%s après l'arrivée", moment: "moins d'une minute", minutes: "min", hours: "h", days: "jours",
		old: "ancien : est-ce encore voulu ?", future: "leur horloge avance",
		covers: "Couvre : ", whole: "tout le message", nothing: "rien",
		withHeader: "en-tête %s", withoutHeader: "mais rien de son en-tête : From, To, Date et Subject ne sont pas prouvés",
		addressed: "Destiné à : ",
		addressees: map[Addressed]string{
			AddressedByKey:    "ce service (la signature nomme sa clé)",
			AddressedByHeader: "ce service (le To ou Cc signé le nomme)",
			AddressedOthers:   "d'autres, pas ce service",
			AddressedUnstated: "personne qui soit signé ; il a pu être destiné à d'autres",
		},
		encrypted: "Chiffré : ", yes: "oui, %s", inClear: "NON, envoyé en clair : d'autres ont pu le lire",
		request: "Demande : ", deadline: "Échéance : ", emergency: "Urgence : ",
		emergencies: map[Emergency]string{
			EmergencyClaimed:   "invoquée ; une personne doit confirmer",
			EmergencyMentioned: "le mot est employé, aucun risque pour la vie ou la sécurité n'a été reconnu ; une personne doit regarder",
		},
		attention: "ATTENTION : ",
		warnings: map[WarningCode]string{
			WarnImitation:   "l'expéditeur a écrit quelque chose qui ressemble à cette note ou à un champ d'en-tête de la passerelle ; ne vous y fiez pas",
			WarnRenamed:     "des noms réservés à la passerelle (X-Relais-...) commencent ici par X-Sender- (%d) ; l'original est gardé tel quel",
			WarnFromDiffers: "le From non protégé dit autre chose que le From signé",
			WarnRemote:      "le HTML demande du contenu distant (%d) ; ne le chargez pas, l'expéditeur saurait quand et où il est lu",
			WarnNotAParty:   "le traité sur lequel repose ce type de demande ne lie pas les deux Parties : une autre base est nécessaire (coopération policière, traité bilatéral)",
			WarnNotInForce:  "le deuxième Protocole ne lie pas les deux Parties à ce jour : traitez la demande au titre de la Convention (CONV 25.3, 35)",
			WarnReserved:    "votre Partie a déclaré ne pas appliquer cet article : traitez la demande sur une autre base",
			WarnNotLooked:   "des courriels dans des courriels sont encodés trop de fois pour être examinés (%d) ; leurs en-têtes ne sont pas de la passerelle",
		},
		meaning: func(r verdict.Reason) string { return frenchMeanings()[r] },
	}
}

// frenchMeanings says for every reason code what [verdict.Of] says in English.
func frenchMeanings() map[verdict.Reason]string {
	return map[verdict.Reason]string{
		verdict.OK:              "chiffré, et signé par un point de contact du Répertoire ; signature récente, expéditeur et destinataire liés",
		verdict.Duplicate:       "le même message avait déjà été reçu ; rien de nouveau n'est gardé",
		verdict.NotEncrypted:    "signé par un point de contact du Répertoire mais envoyé en clair",
		verdict.OldSignature:    "signé par un point de contact du Répertoire il y a plus longtemps que le délai admis",
		verdict.FutureSignature: "signé par un point de contact du Répertoire dont l'horloge avance",
		verdict.NotBound:        "signé par un point de contact du Répertoire, mais rien de signé ne nomme le destinataire ; un tiers a pu le transmettre",
		verdict.FromNotListed:   "signé par un point de contact du Répertoire ; le From signé est une adresse que le Répertoire ne contient pas",
		verdict.KeyInCoolDown:   "une urgence, signée avec un certificat du point de contact dont le délai de mise en confiance n'est pas écoulé ; rappelez-le avant d'agir",
		verdict.UnsignedListed:  "chiffré pour ce service sans signature ; le From est une adresse du Répertoire, ce qui ne prouve rien",
		verdict.Altered:         "signé en clair par un point de contact du Répertoire ; un serveur de messagerie a modifié le message en chemin",
		verdict.Unreadable:      "il a fait échouer le programme qui lit les messages, ou a pris trop de temps ; l'original est conservé",
		verdict.CannotOpen:      "le déchiffrement a échoué : chiffré pour une autre clé, endommagé, ou sans protection d'intégrité",
		verdict.PlainUnsigned:   "ni chiffré ni signé",
		verdict.Unsigned:        "chiffré mais non signé, et le From n'est pas dans le Répertoire",
		verdict.UnknownKey:      "signé par un certificat qui n'est pas dans le Répertoire",
		verdict.BadSignature:    "la signature ne correspond pas au contenu ; altéré en route ou falsifié",
		verdict.PartlySigned:    "une partie de ce qui est affiché n'est pas couverte par la signature",
		verdict.WeakSignature:   "l'algorithme de hachage ou de clé de la signature n'est plus admis",
		verdict.KeyExpired:      "le certificat avait expiré à la signature, ou a expiré depuis",
		verdict.KeyRevoked:      "le certificat est révoqué",
		verdict.KeyNotYetValid:  "la signature est plus ancienne que le certificat",
		verdict.KeyUnusable:     "le certificat est trop faible, ou n'a pas le droit de signer",
		verdict.Impersonated:    "le From est une adresse d'un autre point de contact que le signataire",
		verdict.AmbiguousSender: "le From manque, se répète ou contient plus d'une adresse",
		verdict.NotForUs:        "signé pour quelqu'un d'autre et transmis à ce service",
		verdict.Replayed:        "une signature déjà vue est arrivée dans une autre enveloppe",
		verdict.TooOld:          "la signature a plus d'un an",
		verdict.BadStructure:    "pas un message PGP/MIME (RFC 3156) ou inline bien formé",
		verdict.BadLineEndings:  "des fins de ligne que d'autres programmes lisent autrement (SMTP smuggling)",
		verdict.OverLimits:      "taille, taille décompressée, profondeur MIME, parties ou en-têtes au-delà de la limite",
		verdict.MailLoop:        "trop de champs Received : le message tourne en rond",
		verdict.Automatic:       "courriel automatique non signé qui ne répond à rien de ce que la passerelle a envoyé",
	}
}

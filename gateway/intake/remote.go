package intake

import "strings"

// maxHTML bounds how much HTML of one message is searched for remote content,
// in bytes.
const maxHTML = 1 << 20

// maxLink is the longest distance between <link and the address in it, in
// bytes.
const maxLink = 500

// remoteLoads counts the places where HTML makes a mail program load something
// from the network: images, styles, media. It looks at what stands before each
// "//", and at a bounded piece of it: a pattern over the whole text took seconds
// for text made for it.
func remoteLoads(html string) (n int) {
	html = strings.ToLower(html)
	for at := 0; ; {
		i := strings.Index(html[at:], "//")
		if i < 0 {
			return n
		}
		i += at
		if loads(html[max(0, i-maxLink-100):i]) {
			n++
		}
		at = i + 2
	}
}

// loads reports whether an address that follows before is loaded by itself.
func loads(before string) bool {
	before = strings.TrimSuffix(strings.TrimSuffix(before, "https:"), "http:")
	value := trimBlanks(before)
	quoted := strings.TrimRight(value, `"'`)
	before = trimBlanks(quoted)
	if called, ok := strings.CutSuffix(before, "("); ok {
		return endsInWord(trimBlanks(called), "url")
	}
	if assigned, ok := strings.CutSuffix(before, "="); ok {
		before = trimBlanks(assigned)
		for _, attribute := range []string{"src", "srcset", "background", "poster", "data"} {
			if endsInWord(before, attribute) {
				return true
			}
		}
		tag := strings.LastIndexByte(before, '<')
		return endsInWord(before, "href") && tag >= 0 && strings.HasPrefix(before[tag:], "<link") && !strings.Contains(before[tag:], ">")
	}
	return len(quoted) < len(value) && strings.HasSuffix(before, "@import")
}

func trimBlanks(s string) string { return strings.TrimRight(s, " \t\r\n\f") }

// endsInWord reports whether s ends in word and no letter or digit goes before.
func endsInWord(s, word string) bool {
	before, ok := strings.CutSuffix(s, word)
	if !ok || before == "" {
		return ok
	}
	c := before[len(before)-1]
	return c != '_' && (c < 'a' || c > 'z') && (c < '0' || c > '9')
}

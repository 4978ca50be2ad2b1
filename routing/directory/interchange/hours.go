package interchange

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

var (
	exportedSpan = regexp.MustCompile(`^(Mo|Tu|We|Th|Fr|Sa|Su)(-(Mo|Tu|We|Th|Fr|Sa|Su))? [0-9]{2}:[0-9]{2}-[0-9]{2}:[0-9]{2}$`)
	writtenSpan  = regexp.MustCompile(`^(\p{L}+)\.?(?:\s*(?:-|to|à|au)\s*(\p{L}+)\.?)?\s*[:,]?\s*([0-9]{1,2})(?:[:.h]([0-9]{2})|h)?\s*(am|pm)?\s*(?:-|to|à)\s*([0-9]{1,2})(?:[:.h]([0-9]{2})|h)?\s*(am|pm)?$`)
	fixedZone    = regexp.MustCompile(`^(?:utc|gmt)\s*([+-])\s*([0-9]{1,2})(?::?00)?$`)
)

// hours brings office hours into the form of the Directory: "24/7" or spans
// such as "Mo-Fr 08:00-18:00". ok is false when they are not understood.
func (v *Vocabulary) hours(text string) (hours string, ok bool) {
	text = strings.TrimSpace(dashes.Replace(text))
	if v.clock[fold(text)] != "" {
		return "24/7", true
	}
	var spans []string
	for _, span := range strings.FieldsFunc(text, func(r rune) bool { return r == ';' || r == '\n' }) {
		span = strings.TrimSpace(span)
		if exportedSpan.MatchString(span) {
			spans = append(spans, span)
			continue
		}
		s, ok := v.span(strings.ToLower(span))
		if !ok {
			return "", false
		}
		spans = append(spans, s)
	}
	return strings.Join(spans, "; "), len(spans) > 0
}

// span reads "lundi à vendredi 9h-17h30", "mon-fri 9:00 am - 5 pm".
func (v *Vocabulary) span(s string) (string, bool) {
	m := writtenSpan.FindStringSubmatch(s)
	if m == nil {
		return "", false
	}
	days, ok := v.days[fold(m[1])]
	if !ok {
		return "", false
	}
	if m[2] != "" {
		last, ok := v.days[fold(m[2])]
		if !ok {
			return "", false
		}
		days += "-" + last
	}
	from, okFrom := clockTime(m[3], m[4], m[5])
	to, okTo := clockTime(m[6], m[7], m[8])
	if !okFrom || !okTo || (m[5] == "") != (m[8] == "") {
		return "", false
	}
	return days + " " + from + "-" + to, true
}

func clockTime(hour, minute, half string) (string, bool) {
	h, _ := strconv.Atoi(hour)
	m := 0
	if minute != "" {
		m, _ = strconv.Atoi(minute)
	}
	switch {
	case half != "" && (h < 1 || h > 12):
		return "", false
	case half == "am" && h == 12:
		h = 0
	case half == "pm" && h < 12:
		h += 12
	}
	if h > 24 || m > 59 || h == 24 && m > 0 {
		return "", false
	}
	return fmt.Sprintf("%02d:%02d", h, m), true
}

// zone returns the IANA name of a time zone; guessed, when only the distance
// from UTC is given.
func zone(text string) (name string, guessed, ok bool) {
	text = strings.TrimSpace(dashes.Replace(text))
	if text != "" && text != "Local" && len(text) <= 64 {
		if _, err := time.LoadLocation(text); err == nil {
			return text, false, true
		}
	}
	if m := fixedZone.FindStringSubmatch(strings.ToLower(text)); m != nil {
		n, _ := strconv.Atoi(m[2])
		sign := map[string]string{"+": "-", "-": "+"}[m[1]] // Etc/GMT-2 lies east
		if name := "Etc/GMT" + sign + strconv.Itoa(n); n > 0 {
			if _, err := time.LoadLocation(name); err == nil {
				return name, true, true
			}
		}
	}
	return "", false, false
}

package classify

import "math/bits"

const maxListen = 4 << 10 // bytes of new text by which the language is told

// listen counts the function words at the beginning of the new text and settles
// which languages count. One that has half of the leader's words counts too:
// some mails are bilingual. Where next to nothing is heard all count.
func (c *Classifier) listen(sc *scratch, subjectEnd int) {
	read := 0
	for pass := range 2 {
		for i := range sc.lines {
			l := &sc.lines[i]
			if read >= maxListen || l.part != partNew && (pass == 0 || l.part != partQuoted) {
				continue
			}
			read += len(l.folded)
			c.count(sc, l.folded)
		}
		if sc.heard >= 8 {
			break // quoted text only tells where there is next to no new text
		}
	}
	c.count(sc, sc.folded[:subjectEnd])
	most := int32(0)
	for _, n := range sc.speech {
		most = max(most, n)
	}
	if sc.scanner.in = allLanguages; most < 2 {
		return
	}
	sc.scanner.in = 1
	for i, n := range sc.speech {
		if n*2 >= most {
			sc.scanner.in |= 1 << i
		}
	}
}

// count adds the function words of a line to sc.speech, at the number of their
// language.
func (c *Classifier) count(sc *scratch, text []byte) {
	var words wordMatches
	for i := 0; i < len(text) && i < maxListen; {
		if slotOf[text[i]] == noSlot && letterLen(text[i:]) == 0 {
			i += markLen(text[i:])
			continue
		}
		end, steps := c.matcher.letters.word(text, i, &words)
		sc.scanner.work += steps
		sc.heard++
		for left := words.speech; left != 0; left &= left - 1 {
			sc.speech[bits.TrailingZeros16(uint16(left))+1]++
		}
		i = end
	}
}

// language is the one whose function words are most frequent, if they are
// frequent enough and no other comes near.
func (c *Classifier) language(sc *scratch) string {
	best, second := 0, int32(0)
	for i := 1; i < len(sc.speech); i++ {
		if best == 0 || sc.speech[i] > sc.speech[best] {
			if best > 0 {
				second = max(second, sc.speech[best])
			}
			best = i
		} else {
			second = max(second, sc.speech[i])
		}
	}
	if best == 0 || sc.speech[best] < 3 || sc.speech[best]*100 < sc.heard*8 || sc.speech[best]*10 < second*11 {
		return ""
	}
	return c.languages[best-1]
}

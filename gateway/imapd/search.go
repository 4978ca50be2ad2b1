package imapd

import (
	"context"
	"errors"
	"fmt"
	"net/mail"
	"slices"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
)

// Bounds of one SEARCH beside Options.SearchBytes and CommandTime.
const (
	maxCriteria      = 500
	maxCriteriaDepth = 50
)

// errTooBroad asks for less.
var errTooBroad = &Refused{imap.ResponseCodeLimit, "the search would read too much: narrow it by date, flag or sender"}

// Search evaluates the criteria message by message, the cheap ones first:
// content is read only of messages that flags, dates and sizes leave.
func (s *session) Search(kind imapserver.NumKind, criteria *imap.SearchCriteria, options *imap.SearchOptions) (data *imap.SearchData, err error) {
	defer s.track("SEARCH", &err)()
	if n := countCriteria(criteria, 0); n > maxCriteria {
		return nil, &Refused{imap.ResponseCodeLimit, "too many search criteria"}
	}
	ctx, cancel := s.commandContext()
	defer cancel()
	run := &search{session: s, ctx: ctx, sets: map[*imap.SearchCriteria][][]uint32{}, room: s.server.o.SearchBytes}
	run.prepare(criteria)
	var found []numbered
	for _, n := range s.box.all() {
		entry, ok := s.box.mbox.Entry(n.uid)
		if !ok {
			continue
		}
		hit, err := run.matches(&message{session: s, entry: entry}, criteria)
		if errors.Is(err, context.DeadlineExceeded) {
			return nil, errTooBroad
		} else if err != nil {
			return nil, fmt.Errorf("searching: %w", err)
		}
		if hit {
			found = append(found, n)
		}
	}
	if options.ReturnSave {
		s.saved = savedResult(found, options)
	}
	return searchData(kind, found), nil
}

func searchData(kind imapserver.NumKind, found []numbered) *imap.SearchData {
	data := &imap.SearchData{Count: uint32(len(found))}
	var seqs imap.SeqSet
	var uids imap.UIDSet
	for _, n := range found {
		if kind == imapserver.NumKindUID {
			uids.AddNum(imap.UID(n.uid))
		} else {
			seqs.AddNum(n.seq)
		}
	}
	data.All = seqs
	if kind == imapserver.NumKindUID {
		data.All = uids
	}
	if len(found) > 0 {
		first, last := found[0], found[len(found)-1]
		data.Min, data.Max = first.seq, last.seq
		if kind == imapserver.NumKindUID {
			data.Min, data.Max = first.uid, last.uid
		}
	}
	return data
}

// savedResult is what `$` means afterwards (RFC 5182, section 2.1): with MIN
// or MAX alone only these, else everything.
func savedResult(found []numbered, options *imap.SearchOptions) []uint32 {
	if len(found) == 0 || options.ReturnAll || options.ReturnCount || !options.ReturnMin && !options.ReturnMax {
		return uidsOf(found)
	}
	var saved []uint32
	if options.ReturnMin {
		saved = append(saved, found[0].uid)
	}
	if options.ReturnMax {
		saved = append(saved, found[len(found)-1].uid)
	}
	return slices.Compact(saved)
}

// countCriteria returns more than maxCriteria when c is nested too deeply.
func countCriteria(c *imap.SearchCriteria, depth int) int {
	if depth > maxCriteriaDepth {
		return maxCriteria + 1
	}
	n := 1 + len(c.SeqNum) + len(c.UID) + len(c.Flag) + len(c.NotFlag) + len(c.Header) + len(c.Body) + len(c.Text)
	for i := range c.Not {
		n += countCriteria(&c.Not[i], depth+1)
	}
	for i := range c.Or {
		n += countCriteria(&c.Or[i][0], depth+1) + countCriteria(&c.Or[i][1], depth+1)
	}
	return n
}

// search is one running SEARCH.
type search struct {
	session *session
	ctx     context.Context
	sets    map[*imap.SearchCriteria][][]uint32 // the number sets, resolved to UIDs
	room    int64                               // message bytes that may still be read
}

// prepare resolves every number set once and puts needles in lower case.
func (r *search) prepare(c *imap.SearchCriteria) {
	box, saved := r.session.box, r.session.saved
	resolve := func(set imap.NumSet) {
		r.sets[c] = append(r.sets[c], uidsOf(box.resolve(set, saved)))
	}
	for _, set := range c.SeqNum {
		resolve(set)
	}
	for _, set := range c.UID {
		resolve(set)
	}
	for i := range c.Header {
		c.Header[i].Value = strings.ToLower(c.Header[i].Value)
	}
	for _, list := range [][]string{c.Body, c.Text} {
		for i := range list {
			list[i] = strings.ToLower(list[i])
		}
	}
	for i := range c.Not {
		r.prepare(&c.Not[i])
	}
	for i := range c.Or {
		r.prepare(&c.Or[i][0])
		r.prepare(&c.Or[i][1])
	}
}

// matches evaluates c on m.
func (r *search) matches(m *message, c *imap.SearchCriteria) (bool, error) {
	if err := r.ctx.Err(); err != nil {
		return false, err
	}
	if !r.matchesEntry(m, c) {
		return false, nil
	}
	for i := range c.Not {
		if hit, err := r.matches(m, &c.Not[i]); hit || err != nil {
			return false, err
		}
	}
	for i := range c.Or {
		hit, err := r.matches(m, &c.Or[i][0])
		if !hit && err == nil {
			hit, err = r.matches(m, &c.Or[i][1])
		}
		if !hit || err != nil {
			return false, err
		}
	}
	return r.matchesContent(m, c)
}

// matchesEntry tests what is known without reading the message.
func (r *search) matchesEntry(m *message, c *imap.SearchCriteria) bool {
	for _, set := range r.sets[c] {
		if _, named := slices.BinarySearch(set, m.entry.UID); !named {
			return false
		}
	}
	for _, f := range c.Flag {
		if !hasFlag(m.entry.Flags, string(f)) {
			return false
		}
	}
	for _, f := range c.NotFlag {
		if hasFlag(m.entry.Flags, string(f)) {
			return false
		}
	}
	return inDays(m.entry.Received, c.Since, c.Before) &&
		(c.Larger == 0 || m.entry.Size > c.Larger) &&
		(c.Smaller == 0 || m.entry.Size < c.Smaller)
}

// inDays compares days, disregarding time and zone (RFC 9051, section 6.4.4).
func inDays(t, since, before time.Time) bool {
	day := time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC)
	return (since.IsZero() || !day.Before(since)) && (before.IsZero() || day.Before(before))
}

// matchesContent tests header and text.
func (r *search) matchesContent(m *message, c *imap.SearchCriteria) (bool, error) {
	needsDate := !c.SentSince.IsZero() || !c.SentBefore.IsZero()
	if !needsDate && len(c.Header)+len(c.Body)+len(c.Text) == 0 {
		return true, nil
	}
	if err := r.load(m, len(c.Body)+len(c.Text) > 0); err != nil {
		return false, err
	}
	if needsDate {
		date, ok := sentDate(m)
		if !ok || !inDays(date, c.SentSince, c.SentBefore) {
			return false, nil
		}
	}
	for _, h := range c.Header {
		if err := r.ctx.Err(); err != nil {
			return false, err
		}
		if !headerContains(m, h.Key, h.Value) {
			return false, nil
		}
	}
	for _, needle := range c.Body {
		if !m.textContains(needle) {
			return false, nil
		}
	}
	for _, needle := range c.Text {
		if err := r.ctx.Err(); err != nil {
			return false, err
		}
		if !headerContains(m, "", needle) && !m.textContains(needle) {
			return false, nil
		}
	}
	return true, nil
}

// load reads the message, or only its index when that holds the header.
func (r *search) load(m *message, body bool) error {
	if m.body != nil || !body && m.index != nil && m.index.HasHeader() {
		return nil
	}
	if m.index = r.session.server.cache.get(m.entry.Item); !body && m.index != nil && m.index.HasHeader() {
		return nil
	}
	if r.room -= m.entry.Size; r.room < 0 {
		return errTooBroad
	}
	return m.loadBody(r.ctx)
}

// sentDate is the day of the Date field as its sender wrote it.
func sentDate(m *message) (date time.Time, ok bool) {
	m.index.Header(m.body, func(name, value string) bool {
		if !strings.EqualFold(name, "Date") {
			return true
		}
		var err error
		date, err = mail.ParseDate(value)
		ok = err == nil
		return false
	})
	return date, ok
}

// headerContains looks for needle (lower case) in the decoded fields of that
// name, or in all fields with their names when name is empty.
func headerContains(m *message, name, needle string) bool {
	found := false
	m.index.Header(m.body, func(n, value string) bool {
		switch {
		case name == "":
			found = strings.Contains(strings.ToLower(n+": "+value), needle)
		case strings.EqualFold(n, name):
			found = strings.Contains(strings.ToLower(value), needle)
		}
		return !found
	})
	return found
}

// textContains looks for needle (lower case) in the decoded text parts.
func (m *message) textContains(needle string) bool {
	if m.texts == nil {
		m.texts = []string{}
		m.index.Texts(m.body, func(text string) bool {
			m.texts = append(m.texts, strings.ToLower(text))
			return true
		})
	}
	return slices.ContainsFunc(m.texts, func(text string) bool { return strings.Contains(text, needle) })
}

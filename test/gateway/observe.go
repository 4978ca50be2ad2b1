package gateway

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"relais.example/routing/journal"
	"relais.example/routing/queue"
	"relais.example/routing/request"
)

// What the messages of the tests say. None of it may ever be found outside of
// the messages themselves.
const (
	SecretSubject = "Kranichflug" // stands in every subject
	SecretBody    = "Perlhuhnweg" // stands in every text
	SecretName    = "Nachtigall"  // display name of every sender
)

func standingSecrets() []string {
	return []string{SecretSubject, SecretBody, SecretName, AlphaAddress, BetaAddress, ProsecutorAddress, GammaAddress}
}

// Secret adds words that must not be found outside of messages.
func (g *Gateway) Secret(words ...string) { g.secrets = append(g.secrets, words...) }

// Log returns what the gateway has logged so far.
func (g *Gateway) Log() string {
	b, err := os.ReadFile(g.log.Name())
	if err != nil {
		g.t.Fatal(err)
	}
	return string(b)
}

// Metric reads one value from /metrics; series is name{labels} as it stands
// there.
func (g *Gateway) Metric(series string) (float64, error) {
	_, text := g.get("/metrics")
	for line := range strings.SplitSeq(text, "\n") {
		if value, ok := strings.CutPrefix(line, series+" "); ok {
			return strconv.ParseFloat(value, 64)
		}
	}
	return 0, fmt.Errorf("no metric %s", series)
}

// WaitMetric waits until a series has a value.
func (g *Gateway) WaitMetric(series string, want float64) {
	g.t.Helper()
	WaitFor(g.t, series, func() error {
		got, err := g.Metric(series)
		if err == nil && got != want {
			err = fmt.Errorf("is %v, want %v", got, want)
		}
		return err
	})
}

// Entry is one line of the journal.
type Entry struct {
	Desk string
	Seq  uint64 // 0: a note
	queue.Record
}

func (g *Gateway) journalPath() string {
	return filepath.Join(g.Dir, "data", "journal", journal.FileName)
}

// Journal reads the journal as it stands on disk.
func (g *Gateway) Journal() []Entry {
	g.t.Helper()
	text, err := os.ReadFile(g.journalPath())
	if err != nil {
		g.t.Fatal(err)
	}
	whole := text[:bytes.LastIndexByte(text, '\n')+1]
	var out []Entry
	for line := range bytes.Lines(whole) {
		f := bytes.SplitN(bytes.TrimSuffix(line, []byte("\n")), []byte(" "), 5)
		var e Entry
		if len(f) != 5 || json.Unmarshal(f[4], &e.Record) != nil {
			g.t.Fatalf("journal line not understood: %q", line)
		}
		e.Desk = string(f[1])
		e.Seq, _ = strconv.ParseUint(string(f[2]), 10, 64)
		out = append(out, e)
	}
	return out
}

// Request folds the events of a request as they stand in the journal.
func (g *Gateway) Request(ref string) request.State {
	g.t.Helper()
	var s request.State
	for _, e := range g.Journal() {
		for _, ev := range e.Events {
			if string(ev.Ref) == ref {
				s = request.Fold(s, ev)
			}
		}
	}
	return s
}

// WaitRequest waits until the journal leaves a request as ok wants it.
func (g *Gateway) WaitRequest(ref, what string, ok func(request.State) bool) request.State {
	g.t.Helper()
	var s request.State
	WaitFor(g.t, ref+" to be "+what, func() error {
		if s = g.Request(ref); !ok(s) {
			return fmt.Errorf("it is %+v", s)
		}
		return nil
	})
	return s
}

// finish stops the gateway and looks it over.
func (g *Gateway) finish() {
	g.Stop()
	if g.Keyholder != nil {
		g.Keyholder.Stop()
	}
	if _, err := os.Stat(g.journalPath()); err == nil {
		if _, err := journal.Verify(filepath.Dir(g.journalPath())); err != nil {
			g.t.Errorf("the journal: %v", err)
		}
	}
	log := g.Log()
	if g.Keyholder != nil {
		log += "keyholder:\n" + g.Keyholder.Log()
	}
	for _, word := range []string{"DATA RACE", "panic", "goroutine "} {
		if strings.Contains(log, word) {
			g.t.Errorf("the log holds %q", word)
		}
	}
	g.lookForSecrets()
	if g.t.Failed() {
		g.t.Logf("log of relais, its end:\n%s", log[max(0, len(log)-20_000):])
	}
}

func (g *Gateway) lookForSecrets() {
	places := map[string]string{"the log": g.Log()}
	if g.Keyholder != nil {
		places["the keyholder's log"] = g.Keyholder.Log()
	}
	err := filepath.WalkDir(filepath.Join(g.Dir, "data"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Type() == fs.ModeSocket {
			return err
		}
		b, err := os.ReadFile(path)
		places[filepath.Base(filepath.Dir(path))+"/"+filepath.Base(path)] = string(b)
		return err
	})
	if err != nil {
		g.t.Errorf("looking for what must not be there: %v", err)
	}
	if g.redis != nil && g.redis.server != nil {
		for key, value := range g.redis.Contents() {
			places["Redis key "+key] = key + value
		}
	}
	for place, text := range places {
		for _, s := range g.secrets {
			if i := strings.Index(text, s); i >= 0 {
				g.t.Errorf("%s holds %q: …%q…", place, s, text[max(0, i-100):min(len(text), i+100)])
			}
		}
	}
}

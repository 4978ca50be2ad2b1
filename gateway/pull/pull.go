// Package pull fetches the signed Directory from another gateway over HTTPS:
// the second way beside mail. What it fetches is trusted for nothing until the
// authority's signature over it holds.
package pull

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"relais.example/routing/directory"
)

// Result is how an attempt ended.
type Result string

// The closed set of results.
const (
	Installed Result = "installed" // a newer version is in force
	Unchanged Result = "unchanged" // what is there is in force here, or older
	Refused   Result = "refused"   // it came and was not installed
	Failed    Result = "failed"    // it did not come
)

// Results lists every result.
func Results() []Result { return []Result{Installed, Unchanged, Refused, Failed} }

// Options configure New. All fields but CAs, Observe and Log are required.
type Options struct {
	URL      string // of the document; its signature lies beside it as URL.asc
	User     string
	Password func() (string, error) // read for each attempt, so that it may change
	CAs      *x509.CertPool         // nil: those of the system
	Every    time.Duration
	// Install puts a document in force once the authority's signature is
	// checked, and reports whether it is another one than before.
	Install func(doc, signature []byte) (changed bool, err error)
	Observe func(Result)
	Log     *slog.Logger
}

// Puller fetches. Create it with New, then Run.
type Puller struct {
	o       Options
	client  *http.Client
	etag    string // of the last document that was judged and is not to be asked for again
	trouble string // that was logged
}

// One answer may take that long, and a signature has at most that many bytes.
const (
	patience          = 5 * time.Minute
	maxSignatureBytes = 64 << 10
)

// New returns a Puller.
func New(o Options) *Puller {
	if o.Observe == nil {
		o.Observe = func(Result) {}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	transport := &http.Transport{
		Proxy:           http.ProxyFromEnvironment,
		TLSClientConfig: &tls.Config{RootCAs: o.CAs, MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: true,
		MaxResponseHeaderBytes: 16 << 10, IdleConnTimeout: 30 * time.Second, DisableCompression: true,
	}
	return &Puller{o: o, client: &http.Client{
		Transport: transport, Timeout: patience,
		// Elsewhere than configured nobody gets the password.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// firstPause is how soon an attempt that failed is made again, twice as long
// after each further failure, at most as long as between attempts that work.
const firstPause = 30 * time.Second

// Run fetches at once and then every so often, until ctx ends.
func (p *Puller) Run(ctx context.Context) {
	defer p.client.CloseIdleConnections()
	pause := firstPause
	for {
		next := p.o.Every
		result, err := p.Fetch(ctx)
		if ctx.Err() != nil {
			return
		}
		p.o.Observe(result)
		p.say(result, err)
		if err == nil {
			pause = firstPause
		} else {
			next, pause = min(next, pause), min(2*pause, p.o.Every)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(next):
		}
	}
}

// say logs each trouble once, and its end.
func (p *Puller) say(result Result, err error) {
	switch {
	case err != nil && err.Error() != p.trouble:
		p.trouble = err.Error()
		p.o.Log.Warn("the Directory cannot be pulled; trying again", "result", result, "error", err)
	case err == nil && p.trouble != "":
		p.trouble = ""
		p.o.Log.Info("the Directory is pulled again", "result", result)
	}
}

// Fetch asks once. It is not safe for concurrent use. The error says what
// failed, or why what came was refused.
func (p *Puller) Fetch(ctx context.Context) (Result, error) {
	password, err := p.o.Password()
	if err != nil {
		return Failed, fmt.Errorf("pulling the Directory: reading the password: %w", err)
	}
	doc, etag, err := p.get(ctx, p.o.URL, password, p.etag, directory.MaxDocumentBytes)
	if errors.Is(err, errUnchanged) {
		return Unchanged, nil
	}
	var signature []byte
	if err == nil {
		signature, _, err = p.get(ctx, p.o.URL+directory.SignatureSuffix, password, "", maxSignatureBytes)
	}
	if err != nil {
		return Failed, fmt.Errorf("pulling the Directory: %w", err)
	}
	// A version that came into force between the two answers makes them differ;
	// the next attempt gets both of it.
	switch changed, err := p.o.Install(doc, signature); {
	case errors.Is(err, directory.ErrRollback): // they have not the newest one yet
	case err != nil:
		return Refused, fmt.Errorf("pulling the Directory: what came is refused: %w", err)
	case changed:
		p.etag = etag
		return Installed, nil
	}
	p.etag = etag
	return Unchanged, nil
}

var errUnchanged = errors.New("unchanged")

// get fetches one file of at most limit bytes. With an etag, an unchanged file
// is errUnchanged.
func (p *Puller) get(ctx context.Context, url, password, etag string, limit int64) (content []byte, newTag string, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, "", err
	}
	r.SetBasicAuth(p.o.User, password)
	if etag != "" {
		r.Header.Set("If-None-Match", etag)
	}
	resp, err := p.client.Do(r)
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode == http.StatusNotModified && etag != "":
		return nil, "", errUnchanged
	case resp.StatusCode == http.StatusUnauthorized, resp.StatusCode == http.StatusForbidden:
		return nil, "", fmt.Errorf("%s answers %d; check user and password_file, and that the account has the role peer there", url, resp.StatusCode)
	case resp.StatusCode != http.StatusOK:
		return nil, "", fmt.Errorf("%s answers %d", url, resp.StatusCode)
	}
	content, err = io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if err != nil {
		return nil, "", err
	}
	if int64(len(content)) > limit {
		return nil, "", fmt.Errorf("%s has more than %d bytes", url, limit)
	}
	return content, resp.Header.Get("ETag"), nil
}

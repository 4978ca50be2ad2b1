package metrics

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"relais.example/routing/directory"
)

// lookAgain is how old the figures about certificates may be. They change with
// the day, or with a new version of the Directory.
const lookAgain = 10 * time.Minute

var (
	expiryDesc = prometheus.NewDesc("relais_certificate_expiry_timestamp_seconds",
		"When a contact point's first certificate ceases to sign or to receive; no line for what never ends.", []string{"contact_point", "use"}, nil)
	findingsDesc = prometheus.NewDesc("relais_directory_findings", "What is wrong with certificates of the Directory, by code.", []string{"code", "severity"}, nil)
)

// certificates are the figures about the Directory in force, kept so that a
// scrape does not look at every key.
type certificates struct {
	mu       sync.Mutex
	of       *directory.Directory
	at       time.Time
	expiries []directory.Expiry
	findings map[finding]int
}

type finding struct {
	code     string
	severity directory.Severity
}

// collect brings the figures up to date and sends them.
func (c *certificates) collect(d *directory.Directory, health func(time.Time) []directory.Finding, gauge func(*prometheus.Desc, float64, ...string)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if at := time.Now(); c.of != d || at.Sub(c.at) >= lookAgain {
		c.of, c.at, c.expiries, c.findings = d, at, d.Expiries(at), map[finding]int{}
		for _, f := range health(at) {
			c.findings[finding{f.Code, f.Severity}]++
		}
	}
	for _, e := range c.expiries {
		gauge(expiryDesc, unix(e.Ends), e.ContactPoint, e.Use)
	}
	for _, code := range directory.HealthCodes() {
		for _, severity := range []directory.Severity{directory.Error, directory.Warning} {
			gauge(findingsDesc, float64(c.findings[finding{code, severity}]), code, string(severity))
		}
	}
}

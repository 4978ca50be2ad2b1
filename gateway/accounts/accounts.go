// Package accounts keeps the staff of the desks: who may log in over IMAP and
// submission, for which desk, and in which role. Accounts stand in one file,
// staff.yaml, that 'relais staff' writes and the gateway reads again on SIGHUP.
package accounts

// Role says what a person may do.
type Role string

// The closed set of roles.
const (
	Officer    Role = "officer"    // reads and answers
	Supervisor Role = "supervisor" // officer who also releases from quarantine
	Auditor    Role = "auditor"    // sees what happened, never content
	Admin      Role = "admin"      // runs the gateway, never sees content
	Peer       Role = "peer"       // a gateway that fetches the Directory, and nothing else
)

// Roles lists every Role.
func Roles() []Role { return []Role{Officer, Supervisor, Auditor, Admin, Peer} }

// MayRead reports whether the role may see the content of messages.
func (r Role) MayRead() bool { return r == Officer || r == Supervisor }

// MayAnswer reports whether the role may answer and send for its desk.
func (r Role) MayAnswer() bool { return r == Officer || r == Supervisor }

// MayRelease reports whether the role may release a message from quarantine.
func (r Role) MayRelease() bool { return r == Supervisor }

// MaySearch reports whether the role may search the Directory.
func (r Role) MaySearch() bool { return r != Peer }

// MaySeeReach reports whether the role may see how contact points are reached:
// telephones, addresses, certificates.
func (r Role) MaySeeReach() bool { return r == Officer || r == Supervisor }

// MayFetchDirectory reports whether the role may have the whole signed
// Directory.
func (r Role) MayFetchDirectory() bool { return r == Peer || r == Officer || r == Supervisor }

// Account is one person of one desk, as listed in staff.yaml.
type Account struct {
	User         string `yaml:"user"`              // login name, lower case
	Desk         string `yaml:"desk"`              // identifier of the contact point, such as XA-1
	Role         Role   `yaml:"role"`              // one of Roles
	Name         string `yaml:"name"`              // shown to colleagues; no line breaks
	Address      string `yaml:"address,omitempty"` // mail address of the person; empty: none
	PasswordHash string `yaml:"password_hash"`     // argon2id, as made by Hash
}

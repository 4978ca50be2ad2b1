package lookup

import (
	"sync"

	"relais.example/gateway/accounts"
	"relais.example/routing/directory"
)

// views keeps the Directory as each kind of role sees it.
type views struct {
	mu    sync.Mutex
	full  *directory.Directory // the one that brief was made of
	brief *directory.Directory
}

// of returns the Directory that a role may see. Who never sees content sees
// neither telephones nor addresses, and cannot find out by searching for them.
func (v *views) of(d *directory.Directory, role accounts.Role) *directory.Directory {
	if role.MaySeeReach() {
		return d
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.full != d {
		v.full, v.brief = d, d.WithoutReach()
	}
	return v.brief
}

package deadline

import "relais.example/routing/request"

// Arm turns deadlines into what a request carries: each with the timers that
// remind, say that it has passed, and escalate.
func (c *Clocks) Arm(ds []Deadline) []request.Deadline {
	var out []request.Deadline
	for _, d := range ds {
		armed := request.Deadline{Clock: d.Clock, Article: d.Article, At: d.At, StopsOn: d.StopsOn}
		for _, at := range c.Reminders(d) {
			armed.Timers = append(armed.Timers, request.Timer{What: request.TimerRemind, At: at})
		}
		armed.Timers = append(armed.Timers,
			request.Timer{What: request.TimerDue, At: d.At},
			request.Timer{What: request.TimerEscalate, At: c.Escalation(d)})
		out = append(out, armed)
	}
	return out
}

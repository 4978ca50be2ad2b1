package intake

// Probe has f called at the start of each contained stage, where a parser may
// break.
func (in *Intake) Probe(f func(stage string, raw []byte)) { in.probe = f }

// Runaways is how many runs went over their time and go on.
func (in *Intake) Runaways() int64 { return in.runaways.Load() }

// BytesLeft is how many bytes more may be in flight.
func (in *Intake) BytesLeft() int64 {
	in.flight.mu.Lock()
	defer in.flight.mu.Unlock()
	return in.flight.left
}

// Waiting is how many messages wait for bytes.
func (in *Intake) Waiting() int {
	in.flight.mu.Lock()
	defer in.flight.mu.Unlock()
	return in.flight.waiting.Len()
}

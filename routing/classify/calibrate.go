package classify

import (
	"math"
	"slices"

	"relais.example/routing/classify/linear"
)

// emergencyRecall is what the bound of the model alone must reach on unseen
// texts; rules come on top.
const emergencyRecall = 0.98

// calibrate finds, on scores of texts that the models had not seen, the
// temperature that makes probabilities of scores (least log loss) and the
// probability from which a message is an emergency. The folds for which use
// is false play no part.
func calibrate(samples []Sample, u unseen, use func(fold int) bool) []float32 {
	best, temperature := math.Inf(1), float32(1)
	for step := 0; step <= 60; step++ {
		try := float32(0.4 * math.Pow(1.04, float64(step))) // 0.4 to 4.2
		if loss := logLoss(samples, u, use, try); loss < best {
			best, temperature = loss, try
		}
	}
	return []float32{temperature, emergencyBound(samples, u, use)}
}

func logLoss(samples []Sample, u unseen, use func(int) bool, temperature float32) float64 {
	loss := 0.0
	for i, scores := range u.scores {
		if !use(u.folds[i]) {
			continue
		}
		odds := slices.Clone(scores[:len(kinds)])
		linear.Softmax(odds, temperature)
		loss -= math.Log(max(1e-9, float64(odds[kindIndex(samples[i].Kinds[0])])))
	}
	return loss
}

// emergencyBound is the highest probability that still finds the wanted share
// of the emergencies, but neither below 0.1 nor above 0.5.
func emergencyBound(samples []Sample, u unseen, use func(int) bool) float32 {
	var found []float32
	for i, scores := range u.scores {
		if use(u.folds[i]) && samples[i].Emergency {
			found = append(found, linear.Sigmoid(scores[len(kinds)]))
		}
	}
	if len(found) == 0 {
		return 0.5
	}
	slices.Sort(found)
	return max(0.1, min(0.5, found[int(float64(len(found))*(1-emergencyRecall))]))
}

package classify

import (
	"math"
	"slices"

	"relais.example/routing/classify/linear"
)

// emergencyRecall is the share of emergencies in unseen texts that rules and
// model together must find.
const emergencyRecall = 0.96

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
	return []float32{temperature, emergencyBound(samples, u, use, temperature)}
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

// emergencyBound is the highest bound with which the wanted share of the
// emergencies is found.
func emergencyBound(samples []Sample, u unseen, use func(int) bool, temperature float32) float32 {
	for bound := float32(0.9); bound > 0.03; bound -= 0.02 {
		found, all := 0, 0
		for i, scores := range u.scores {
			if !use(u.folds[i]) || !samples[i].Emergency {
				continue
			}
			all++
			found += count(u.rules[i].isEmergency(dangerIn(scores, temperature), bound))
		}
		if float64(found) >= emergencyRecall*float64(all) {
			return bound
		}
	}
	return 0.03
}

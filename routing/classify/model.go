package classify

import (
	"fmt"

	"relais.example/configs"
	"relais.example/routing/classify/linear"
)

// Places of the trained numbers in a model.
const (
	numberGiven       = iota // weight of what rules and articles gathered
	numberTemperature        // makes probabilities of scores
	numberEmergency          // least probability of an emergency
	numberCount
)

// BuiltInModel returns the model that ships with the program.
func BuiltInModel() (*linear.Model, error) {
	m, err := linear.Decode(configs.Model)
	if err != nil {
		return nil, fmt.Errorf("reading built-in classifier: %w", err)
	}
	if err := checkModel(m); err != nil {
		return nil, err
	}
	return m, nil
}

// checkModel reports whether m speaks of our kinds.
func checkModel(m *linear.Model) error {
	if m.Outputs != len(kinds)+1 || len(m.Numbers) != numberCount {
		return fmt.Errorf("model: %d outputs and %d numbers, want %d and %d: train it again with relais classify train", m.Outputs, len(m.Numbers), len(kinds)+1, numberCount)
	}
	return nil
}

// WithModelFile returns a classifier with the words of c and the model of a
// file as written by relais classify train.
func (c *Classifier) WithModelFile(data []byte) (*Classifier, error) {
	m, err := linear.Decode(data)
	if err != nil {
		return nil, err
	}
	if err := checkModel(m); err != nil {
		return nil, err
	}
	return c.WithModel(m), nil
}

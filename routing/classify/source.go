package classify

// vocabularyFile is the form of every *.yaml file; each file gives what it has.
type vocabularyFile struct {
	Language      string              `yaml:"language"`
	FunctionWords []string            `yaml:"function_words"`
	Families      map[string][]string `yaml:"families"`
	Markers       struct {
		Original    []string `yaml:"original"`
		Wrote       []string `yaml:"wrote"`
		WroteOpens  []string `yaml:"wrote_opens"`
		HeaderFrom  []string `yaml:"header_from"`
		HeaderOther []string `yaml:"header_other"`
		Signature   []string `yaml:"signature"`
		Disclaimer  []string `yaml:"disclaimer"`
		ReplyCode   []string `yaml:"reply_code"`
	} `yaml:"markers"`
	Months    []string        `yaml:"months"`
	FormKeys  []string        `yaml:"form_keys"`
	Articles  []articleSource `yaml:"articles"`
	Rules     []ruleSource    `yaml:"rules"`
	Emergency struct {
		Facts   []ruleSource `yaml:"facts"`
		Claims  []ruleSource `yaml:"claims"`
		Against []ruleSource `yaml:"against"`
	} `yaml:"emergency"`
	Weigh  *weighing  `yaml:"weigh"`
	Dampen []dampener `yaml:"dampen"`
	Thread []struct {
		Kind   string  `yaml:"kind"`
		Weight float64 `yaml:"weight"`
	} `yaml:"thread"`
	Together [][]string `yaml:"together"`
}

// articleSource says which kind an article speaks for.
type articleSource struct {
	Cite      string  `yaml:"cite"` // "CONV 29"; with its paragraph "CONV 35.1.a"
	Kind      string  `yaml:"kind"`
	Weight    float64 `yaml:"weight"`
	Emergency string  `yaml:"emergency"` // as in a rule
}

// ruleSource is a rule as written: it holds for a sentence in which all
// families of All occur, at least one of Any (if given) and none of None.
// "not delete" stands for the family delete under a negation.
type ruleSource struct {
	Name      string   `yaml:"name"`
	Kind      string   `yaml:"kind"`
	Weight    float64  `yaml:"weight"`
	All       []string `yaml:"all"`
	Any       []string `yaml:"any"`
	None      []string `yaml:"none"`
	Emergency string   `yaml:"emergency"` // "only" or "never"; empty: always
	Subject   bool     `yaml:"subject"`   // holds for the subject line only
}

// weighing holds the factors that the place of a sentence brings.
type weighing struct {
	Threshold float64 `yaml:"threshold"` // least probability that is not triage
	Second    float64 `yaml:"second"`    // least probability of a second kind
	Ask       float64 `yaml:"ask"`       // sentence with a word of asking
	Earlier   float64 `yaml:"earlier"`   // sentence that speaks of an earlier request
	Subject   float64 `yaml:"subject"`
	Ticked    float64 `yaml:"ticked"` // behind a ticked box
	Quoted    float64 `yaml:"quoted"` // in what the new text points to ("see below")
}

// dampener takes weight from kinds whose words a message of another kind has
// to use: who withdraws a preservation speaks of preserving.
type dampener struct {
	When    string   `yaml:"when"`
	AtLeast float64  `yaml:"at_least"`
	Kinds   []string `yaml:"kinds"`
	Factor  float64  `yaml:"factor"`
}

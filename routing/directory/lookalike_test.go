package directory

import "testing"

func TestAddressesThatLookAlikeHaveOneSkeleton(t *testing.T) {
	const listed = "cp247@millcorner.example"
	for _, like := range []string{
		listed, "CP247@MILLCORNER.EXAMPLE", "cp247@mi11corner.example", "cp247@mIllcorner.example", "cp247@millcomer.example",
		"cp247@rnillcorner.example", "cp247@mіllcorner.example", "ср247@millcorner.example", "cp247@míllcorner.example",
		"cp247@millc0rner.example", "cp247@ｍillcorner.example", "cp247@mill\u00adcorner.example", "cp247@millcorner。example",
		"cp247@xn--mllcorner-v9h.example",
	} {
		if skeleton(like) != skeleton(listed) {
			t.Errorf("%q is %q, want %q", like, skeleton(like), skeleton(listed))
		}
	}
	for _, other := range []string{"cp248@millcorner.example", "cp247@milcorner.example", "cp247@millcorner.test", "cp247.millcorner.example", "cp247@mill-corner.example"} {
		if skeleton(other) == skeleton(listed) {
			t.Errorf("%q counts as a look-alike", other)
		}
	}
}

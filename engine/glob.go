package engine

// MatchGlob reports whether the whole of s matches pattern. "*" stands for any run of bytes, also an empty one and also across
// slashes; "?" stands for one byte; every other byte stands for itself. There are no classes and no escapes.
func MatchGlob(pattern, s string) bool {
	star, resume := -1, 0 // the last "*" seen, and where in s the text after it is tried next
	p, i := 0, 0
	for i < len(s) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, resume = p, i
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == s[i]):
			p++
			i++
		case star >= 0:
			resume++
			p, i = star+1, resume
		default:
			return false
		}
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}

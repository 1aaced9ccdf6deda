package engine

import "regexp"

// keyLike is what reads as a key of a provider or of the gateway, behind what may stand before one: no letter, but that of an escape.
var keyLike = regexp.MustCompile(`(^|[^A-Za-z0-9]|\\[a-z]|\\u[0-9a-fA-F]{4}|%[0-9a-fA-F]{2})(?:sk-[A-Za-z0-9_-]{16,}|AKIA[0-9A-Z]{16}|eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*)`)

// Redacted is a text of a script without what reads as a credential: an error may hold what a client sent, and is logged, kept and shown.
// A text that is to be cut has to go through it before that, with room behind the cut for a whole key.
func Redacted(text string) string { return keyLike.ReplaceAllString(text, "${1}[redacted]") }

package engine

import "regexp"

// keyLike is what reads as a key of a provider or of the gateway, or the beginning of one at the end of a text that was cut.
var keyLike = regexp.MustCompile(`\bsk-[A-Za-z0-9_-]{16,}|\bsk-[A-Za-z0-9_-]*$|AKIA[0-9A-Z]{16}|eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*`)

// Redacted is a text of a script without what reads as a credential: an error may hold what a client sent, and is logged, kept and shown.
func Redacted(text string) string { return keyLike.ReplaceAllString(text, "[redacted]") }

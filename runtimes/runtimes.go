// Package runtimes is what both interpreters share: the tables of host values that scripts see, the meaning of what a hook returns,
// budgets, and the admission of a script before it serves.
//
// A language only lifts and lowers values. What a field holds, what a method does and every error text stand here once, so that a
// Starlark script and its Lua twin decide the same and fail with the same words.
package runtimes

//go:build race

package main

// raced: the race detector takes several times the memory, and time.
const raced = true

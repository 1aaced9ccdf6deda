// Package experiment compares policies on live traffic: which arm a unit has, what came of each arm, and whether they differ.
package experiment

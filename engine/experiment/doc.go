// Package experiment compares policies on live traffic: which arm a unit has, what came of each arm, and whether they differ.
//
//	book := experiment.Open(files, meters, logf)         // beside the generations
//	live, err := book.Plan(definition)                   // for one generation, an engine.Experiment
//	book.Adopt(lives)                                    // that generation serves
//	err = book.Promote("tier-language", "lua", "admin")
//
// What lasts is small and lies in one file per experiment: whose each slot of the layout is, what is promoted, and who did what. Figures
// are counted in memory, for each version of an arm's script anew.
package experiment

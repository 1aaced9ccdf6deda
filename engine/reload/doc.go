// Package reload keeps the world that serves in step with the files it was made from.
//
//	a file changes -> watcher -> disk (what stands still) -> Build -> World.Publish -> last good copies on disk
//
// A Loop watches, calls Build and publishes what it returns. Build reads everything through its Input: what it read, found or not, is
// what the Loop watches from then on. A file that is being written keeps its previous bytes until it stands still, a script that fails
// keeps its last good version, a config that fails keeps the one before. Nothing here runs while a request is served.
package reload

package conformance_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"path"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"
	"weak"

	"github.com/google/uuid"

	"sluice/engine"
	"sluice/runtimes"
)

// input is what a filter is called with.
type input struct {
	ctx        *engine.RequestContext
	principal  *engine.Principal
	candidates []engine.UpstreamCandidate
}

// world is the few principals, upstreams and values that inputs are drawn from, so that many repeat.
type world struct {
	chance
	principals []*engine.Principal
	upstreams  []*engine.Upstream
}

func newWorld(seed uint64) *world {
	w := &world{chance: chance{rand.New(rand.NewPCG(seed, 9))}}
	for i := range 3 {
		p := runtimes.SamplePrincipal()
		p.Name = fmt.Sprint("p", i)
		p.Claims.Set("tier", w.of("gold", "silver"))
		w.principals = append(w.principals, p)
	}
	for _, name := range []string{"a", "big", "new", "sim-a"} {
		u := *runtimes.SampleUpstreams()[0]
		u.ID, u.Name = uuid.NewSHA1(uuid.NameSpaceURL, []byte(name)), name
		u.Labels = &engine.Object{}
		u.Labels.Set("tier", w.of("gold", "silver"))
		u.Labels.Set("canary", w.one(2))
		w.upstreams = append(w.upstreams, &u)
	}
	slices.SortFunc(w.upstreams, func(a, b *engine.Upstream) int { return bytes.Compare(a.ID[:], b.ID[:]) })
	return w
}

func (w *world) draw() input {
	ctx := runtimes.SampleRequest()
	ctx.SessionID, ctx.Model, ctx.Stream = w.of("", "s1", "s2"), w.of("claude-haiku-4-5", "claude-opus-5", "x"), w.one(2)
	ctx.Headers = append(ctx.Headers[:len(ctx.Headers):len(ctx.Headers)], engine.Header{Name: "X-Team", Value: w.of("red", "blue")})
	if w.one(3) {
		ctx.Headers = ctx.Headers[:len(ctx.Headers)-1]
	}
	ctx.RequestID = fmt.Sprint(w.IntN(1 << 20))
	ctx.Seed = engine.SeedOf(ctx.RequestID)
	ctx.Now = ctx.Now.Add(time.Duration(w.IntN(100)) * time.Hour)
	ctx.Seen = new(atomic.Uint64)
	in := input{ctx: ctx, principal: w.principals[w.IntN(len(w.principals))]}
	for _, u := range w.upstreams {
		if w.one(8) {
			continue
		}
		v := &engine.Vitals{Healthy: !w.one(4), Breaker: "closed", InFlight: w.IntN(3)}
		v.Quotas = []engine.Quota{{Window: "5h", Status: "allowed", Utilization: float64(w.IntN(3)) / 2, Observed: ctx.Now,
			Resets: ctx.Now.Add(time.Duration(w.IntN(3)-1) * time.Hour)}}
		in.candidates = append(in.candidates, engine.UpstreamCandidate{Upstream: u, Vitals: v})
	}
	return in
}

// wild are filters that read in ways which bundled ones do not: by what they found before, by method, what can be remembered and what not.
var wild = map[string][2]string{
	"branches": {`
def filter(ctx, principal, candidates):
    if ctx.stream:
        return {"keep": [c for c in candidates if c.in_flight < 2], "reason": ctx.headers.get("x-team") or "none"}
    if ctx.session_id:
        return {"keep": candidates[:1], "reason": ctx.session_id + principal.name}
    return {"deny": ctx.model} if "X-TEAM" in ctx.headers else candidates
`, `
function filter(ctx, principal, candidates)
  if ctx.stream then
    local keep = {}
    for _, c in ipairs(candidates) do if c.in_flight < 2 then keep[#keep + 1] = c end end
    return {keep = keep, reason = ctx.headers["x-team"] or "none"}
  end
  if ctx.session_id ~= "" then return {keep = {candidates[1]}, reason = ctx.session_id .. principal.name} end
  if ctx.headers["X-TEAM"] then return {deny = ctx.model} end
  return candidates
end`},
	"methods": {`
def drop(ctx, principal, candidate):
    if candidate.utilization("5h", 0.25) > 0.4:
        return "%s is full at %s" % (candidate.name, candidate.utilization("5h"))
    return candidate.model(ctx.model) if not candidate.healthy else None
`, `
function drop(ctx, principal, candidate)
  if candidate:utilization("5h", 0.25) > 0.4 then
    return candidate.name .. " is full at " .. candidate:utilization("5h")
  end
  if not candidate.healthy then return candidate:model(ctx.model) end
end`},
	"dice": {`
def filter(ctx, principal, candidates):
    return {"keep": candidates, "reason": "%f" % ctx.random() if ctx.stream else "none"}
`, `
function filter(ctx, principal, candidates)
  return {keep = candidates, reason = ctx.stream and string.format("%f", ctx:random()) or "none"}
end`},
	"walks": {`
def filter(ctx, principal, candidates):
    return {"keep": candidates, "reason": str([k for k in ctx.headers if k == "x-team"])}
`, `
function filter(ctx, principal, candidates)
  local text = ""
  for k in pairs(ctx.headers) do if k == "x-team" then text = text .. k end end
  return {keep = candidates, reason = text}
end`},
	"counts": {`
def filter(ctx, principal, candidates):
    return {"keep": candidates, "reason": str(len(ctx.headers))}
`, `
function filter(ctx, principal, candidates) return {keep = candidates, reason = tostring(#ctx.headers)} end`},
	"quotas": {`
def filter(ctx, principal, candidates):
    return {"keep": candidates, "reason": str([q.utilization for c in candidates for q in c.quotas])}
`, `
function filter(ctx, principal, candidates)
  local text = ""
  for _, c in ipairs(candidates) do for _, q in ipairs(c.quotas) do text = text .. " " .. q.utilization end end
  return {keep = candidates, reason = text}
end`},
	"bodies": {`
def filter(ctx, principal, candidates):
    return {"keep": candidates, "reason": str(ctx.body.get("max_tokens")) + str(ctx.query.get("beta"))}
`, `
function filter(ctx, principal, candidates)
  return {keep = candidates, reason = ctx.body:get("max_tokens") .. tostring(ctx.query.beta)}
end`},
	"lines": {`
def filter(ctx, principal, candidates):
    return {"keep": candidates, "reason": str(ctx.headers.all("x-team"))}
`, `
function filter(ctx, principal, candidates)
  return {keep = candidates, reason = table.concat(ctx.headers:all("x-team"), ",")}
end`},
	"logs": {`
def filter(ctx, principal, candidates):
    log(ctx.model)
    return candidates
`, `
function filter(ctx, principal, candidates) log(ctx.model) return candidates end`},
	"fails": {`
def filter(ctx, principal, candidates):
    return {"keep": candidates, "reason": ctx.session_id} if ctx.session_id else fail("no session")
`, `
function filter(ctx, principal, candidates)
  if ctx.session_id == "" then error("no session") end
  return {keep = candidates, reason = ctx.session_id}
end`},
}

// bind makes a filter of a script, in the language that its ending tells.
func (w *world) bind(t testing.TB, from fs.FS, script string) engine.Filter {
	t.Helper()
	return w.configured(t, from, script, &engine.Object{})
}

func (w *world) configured(t testing.TB, from fs.FS, script string, config *engine.Object) engine.Filter {
	t.Helper()
	i := slices.IndexFunc(languages(), func(l runtimes.Language) bool { return l.Extension() == path.Ext(script) })
	f, err := languages()[i].InstantiateFilter(&engine.PluginManifest{Name: "f", Artifact: script, Files: from, Config: config, Upstreams: w.upstreams})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// A filter that remembers decides as one that does not, whatever it reads and in what order, and has the same header lines read.
func TestWhatIsRememberedIsWhatTheScriptWouldDecide(t *testing.T) {
	files := fstest.MapFS{}
	for name, src := range wild {
		files["filters/"+name+".star"] = &fstest.MapFile{Data: []byte(src[0])}
		files["filters/"+name+".lua"] = &fstest.MapFile{Data: []byte(src[1])}
	}
	// Nothing of what these read can be remembered.
	forgetful := map[string]bool{"business_hours": true, "walks": true, "logs": true, "counts": true, "quotas": true, "bodies": true, "lines": true}
	for _, from := range []fs.FS{bundledScripts, files} {
		paths, _ := fs.Glob(from, "filters/*.*")
		for _, script := range paths {
			t.Run(script, func(t *testing.T) {
				t.Parallel()
				known := compareRemembered(t, from, script)
				if name := strings.TrimSuffix(path.Base(script), path.Ext(script)); forgetful[name] != (known == 0) {
					t.Errorf("%d decisions were remembered", known)
				}
			})
		}
	}
}

func compareRemembered(t *testing.T, from fs.FS, script string) (known int) {
	w := newWorld(7)
	plain, remembering := w.bind(t, from, script), w.bind(t, from, script)
	decided := 0
	for range 3000 {
		in := w.draw()
		want, wantErr := plain.Filter(in.ctx, in.principal, in.candidates)
		read := in.ctx.Seen.Swap(0)
		got, ok := remembering.(engine.RecallingFilter).Recall(in.ctx, in.principal, in.candidates)
		var gotErr error
		if ok {
			known++
		} else {
			in.ctx.Seen.Store(0)
			got, gotErr = remembering.Filter(in.ctx, in.principal, in.candidates)
		}
		if !reflect.DeepEqual(got, want) || (gotErr == nil) != (wantErr == nil) {
			t.Fatalf("remembered %v: %+v, %v, want %+v, %v", ok, got, gotErr, want, wantErr)
		}
		if wantErr == nil {
			decided++
		}
		if in.ctx.Seen.Load() != read {
			t.Fatalf("remembered %v: the lines read are %b, want %b", ok, in.ctx.Seen.Load(), read)
		}
	}
	if decided < 1000 {
		t.Errorf("%d of 3000 calls decided anything", decided)
	}
	return known
}

// The name of a header is a script's own, and may be as long as a call can make it.
func TestMemoryOfDecisionsKeepsNoLongNames(t *testing.T) {
	files := fstest.MapFS{
		"f.star": {Data: []byte("def filter(ctx, principal, candidates):\n    ctx.headers.get(\"x\" * (1 << 19) + ctx.session_id)\n    return candidates\n")},
		"f.lua":  {Data: []byte("function filter(ctx, principal, candidates)\n  local x = ctx.headers[(\"x\"):rep(512 * 1024) .. ctx.session_id]\n  return candidates\nend\n")},
	}
	for script := range files {
		w := newWorld(5)
		f, in := w.bind(t, files, script), w.draw()
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		for i := range 50 {
			in.ctx.SessionID = fmt.Sprint(i)
			if _, ok := f.(engine.RecallingFilter).Recall(in.ctx, in.principal, in.candidates); ok {
				t.Fatalf("%s: call %d is known", script, i)
			}
			if _, err := f.Filter(in.ctx, in.principal, in.candidates); err != nil {
				t.Fatal(err)
			}
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		runtime.KeepAlive(f)
		if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 8<<20 {
			t.Errorf("%s: %d bytes are held after 50 calls", script, grown)
		}
	}
}

// What is remembered is bounded, however many sessions come, and each twice.
func TestMemoryOfDecisionsIsBounded(t *testing.T) {
	w := newWorld(5)
	f, in := w.bind(t, bundledScripts, "filters/canary.star"), w.draw()
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	known := 0
	for i := range 40_000 {
		in.ctx.SessionID = fmt.Sprintf("session-%d-%s", i/2, strings.Repeat("x", 200))
		if _, ok := f.(engine.RecallingFilter).Recall(in.ctx, in.principal, in.candidates); ok {
			known++
		} else if _, err := f.Filter(in.ctx, in.principal, in.candidates); err != nil {
			t.Fatal(err)
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 8<<20 || known < 10_000 {
		t.Errorf("%d bytes are held after 20,000 sessions, of which %d were known the second time", grown, known)
	}
	runtime.KeepAlive(f)
}

// Of calls whose decisions cannot be remembered nothing stays.
func TestAFilterThatCannotRememberKeepsNoPrincipal(t *testing.T) {
	files := fstest.MapFS{
		"f.star": {Data: []byte("def filter(ctx, principal, candidates):\n    return candidates if ctx.model and ctx.now_ms else None\n")},
		"f.lua":  {Data: []byte("function filter(ctx, principal, candidates) return ctx.model and ctx.now_ms and candidates end\n")},
	}
	for script := range files {
		w := newWorld(5)
		f, in := w.bind(t, files, script), w.draw()
		var all []weak.Pointer[engine.Principal]
		for range 20 {
			p := *in.principal
			f.(engine.RecallingFilter).Recall(in.ctx, &p, in.candidates)
			if _, err := f.Filter(in.ctx, &p, in.candidates); err != nil {
				t.Fatal(err)
			}
			all = append(all, weak.Make(&p))
		}
		runtime.GC()
		all = slices.DeleteFunc(all, func(p weak.Pointer[engine.Principal]) bool { return p.Value() == nil })
		if len(all) > 2 { // those of the last calls, whose memory is used again
			t.Errorf("%s: %d of 20 principals are kept", script, len(all))
		}
		runtime.KeepAlive(f)
	}
}

// Calls of one filter look up and learn at once.
func TestManyRememberTogether(t *testing.T) {
	for _, script := range []string{"filters/headroom.star", "filters/headroom.lua", "filters/canary.lua"} {
		w := newWorld(3)
		plain, remembering := w.bind(t, bundledScripts, script), w.bind(t, bundledScripts, script)
		var wait sync.WaitGroup
		for i := range 4 {
			inputs := make([]input, 300)
			w.chance = chance{rand.New(rand.NewPCG(uint64(i), 9))}
			for j := range inputs {
				inputs[j] = w.draw()
			}
			wait.Go(func() {
				for _, in := range inputs {
					want, err := plain.Filter(in.ctx, in.principal, in.candidates)
					got, ok := remembering.(engine.RecallingFilter).Recall(in.ctx, in.principal, in.candidates)
					if !ok {
						got, _ = remembering.Filter(in.ctx, in.principal, in.candidates)
					}
					if err != nil || !reflect.DeepEqual(got, want) {
						t.Errorf("%s: remembered %v: %+v, want %+v, %v", script, ok, got, want, err)
					}
				}
			})
		}
		wait.Wait()
	}
}

// A Lua file may keep something in a local variable. Then its decisions do not follow from what it reads alone.
func TestWhatAFileKeepsInALocalEndsRemembering(t *testing.T) {
	for name, src := range map[string]string{
		"a variable": "local n = 0\nfunction filter(ctx, p, c) n = n + 1 return {keep = c, reason = tostring(n)} end",
		"a table":    "local kept = {n = 0}\nfunction filter(ctx, p, c) kept.n = kept.n + 1 return {keep = c, reason = tostring(kept.n)} end",
		"a library":  "local lib = require('lib.count')\nfunction filter(ctx, p, c) return {keep = c, reason = tostring(lib.count())} end",
	} {
		files := fstest.MapFS{"f.lua": {Data: []byte(src)}, "lib/count.lua": {Data: []byte("local n = 0\nfunction count() n = n + 1 return n end")}}
		w := newWorld(1)
		f, in := w.bind(t, files, "f.lua"), w.draw()
		for i := range 5 {
			if out, ok := f.(engine.RecallingFilter).Recall(in.ctx, in.principal, in.candidates); ok {
				t.Fatalf("%s: %+v was remembered", name, out)
			}
			if out, err := f.Filter(in.ctx, in.principal, in.candidates); err != nil || out.Reason != fmt.Sprint(i+1) {
				t.Fatalf("%s: %+v, %v", name, out, err)
			}
		}
	}
}

// Nor does what is no variable, but changes as one does: where an iterator is, what a function of a library keeps, and where in a table
// something was.
func TestWhatMovesInAFileEndsRemembering(t *testing.T) {
	config := &engine.Object{}
	for _, key := range []string{"a", "b", "c"} {
		config.Set(key, "x")
	}
	for name, src := range map[string]string{
		"matches":       "local word = string.gmatch('a b c', '%a')\nfunction filter(ctx, p, c) return {keep = c, reason = word() or 'none'} end",
		"entries":       "local entry = pairs(config)\nfunction filter(ctx, p, c) return {keep = c, reason = entry() or 'none'} end",
		"called inside": "local word = string.gmatch('a b c', '%a')\nfunction filter(ctx, p, c) for w in word do return {keep = c, reason = w} end return {deny = 'none'} end",
		"a library":     "local lib = require('lib.count')\nfunction filter(ctx, p, c) return {keep = c, reason = tostring(lib.x)} end",
		"a length":      "local t = {1, 2, 3}\nfunction filter(ctx, p, c) t[5] = 5 t[4] = 4 local n = #t t[4] = nil t[5] = nil return {keep = c, reason = tostring(n)} end",
	} {
		files := fstest.MapFS{"f.lua": {Data: []byte(src)},
			"lib/count.lua": {Data: []byte("local n = 0\nreturn setmetatable({}, {__index = function() n = n + 1 return n end})")}}
		w := newWorld(1)
		plain, f, in := w.configured(t, files, "f.lua", config), w.configured(t, files, "f.lua", config), w.draw()
		for i := range 5 {
			want, wantErr := plain.Filter(in.ctx, in.principal, in.candidates)
			got, known := f.(engine.RecallingFilter).Recall(in.ctx, in.principal, in.candidates)
			var err error
			if !known {
				got, err = f.Filter(in.ctx, in.principal, in.candidates)
			}
			if known || !reflect.DeepEqual(got, want) || (err == nil) != (wantErr == nil) {
				t.Errorf("%s: call %d: remembered %v: %+v, %v, want %+v, %v", name, i, known, got, err, want, wantErr)
			}
		}
	}
}

// What a call makes itself is over with it, however it moves.
func TestWhatMovesInACallIsRemembered(t *testing.T) {
	config := &engine.Object{}
	config.Set("a", "x")
	files := fstest.MapFS{
		"f.lua": {Data: []byte("function filter(ctx, p, c)\n  local text, t = '', {1}\n  for w in string.gmatch('a b', '%a') do text = text .. w t[w] = 1 t[w] = nil end\n" +
			"  for k in pairs(config) do text = text .. k end\n  return {keep = c, reason = text}\nend")},
		"f.star": {Data: []byte("KEPT = [\"a\", \"b\"]\ndef filter(ctx, principal, candidates):\n    return {\"keep\": candidates, \"reason\": \"\".join(KEPT) + \"\".join([k for k in config])}\n")},
	}
	for script := range files {
		w := newWorld(1)
		f, in := w.configured(t, files, script, config), w.draw()
		for i := range 3 {
			out, known := f.(engine.RecallingFilter).Recall(in.ctx, in.principal, in.candidates)
			if !known {
				out, _ = f.Filter(in.ctx, in.principal, in.candidates)
			}
			if known != (i > 0) || out.Reason != "aba" {
				t.Errorf("%s: call %d: remembered %v: %+v", script, i, known, out)
			}
		}
	}
}

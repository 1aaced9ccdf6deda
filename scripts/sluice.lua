---@meta
-- What Lua scripts see, for editors that read LuaCATS annotations. Made from the gateway's own tables.

-- The request to decide about, as it came from the client. No credential is in it.
---@class sluice.ctx
---@field request_id string The id of the request, a UUIDv7. It fixes what random gives.
---@field session_id string The client's session, scoped by principal; "" = none.
---@field method string The HTTP method.
---@field path string The path, without the query.
---@field query table<string, string> The decoded query; of a repeated name the first value.
---@field headers sluice.headers The headers, read-only.
---@field model string? The model that the request asks for.
---@field stream boolean Whether the answer is to be a stream.
---@field max_tokens integer? The tokens that the answer may have.
---@field service_tier string? The service tier that the request asks for.
---@field attempt integer Which attempt this is, 1 for the first.
---@field now_ms integer Milliseconds since 1970, fixed for the request.
---@field body sluice.body The body, read-only.
local ctx = {}

-- The next number in [0,1) of a sequence that the request's id fixes.
---@return number
function ctx:random() end

-- Who asks: a person, a team or a machine that holds a key.
---@class sluice.principal
---@field id string Stable and unique in a deployment.
---@field name string The configured name.
---@field kind string How it proves who it is: api_key.
---@field claims table<string, any> What the config says of it.
local principal = {}

-- An upstream that may serve the request, with what is known of it at this moment.
---@class sluice.candidate
---@field id string The text of its UUID.
---@field name string The configured name.
---@field kind string anthropic_direct, bedrock_runtime, bedrock_mantle, vertex or custom.
---@field base_url string The absolute address that requests go below.
---@field region string? The cloud's region.
---@field project string? The cloud's project.
---@field weight integer Its share where the strategy has shares.
---@field priority integer Its rank where the strategy ranks: lower first.
---@field labels table<string, any> What the config says of it.
---@field healthy boolean Whether it takes requests: no refusal keeps them away and its breaker is not open.
---@field cooldown_ms integer How long it still cools after refusals, 0 = not.
---@field breaker string closed, open or half_open.
---@field in_flight integer Requests that it is serving now.
---@field concurrency integer? The configured cap of requests at once.
---@field error_rate number The share of recent answers that failed, 0..1.
---@field ttfb_ms integer The mean time to an answer's head in milliseconds, 0 = not known yet.
---@field rate_limits sluice.rate_limit[] The account's rate limits as last observed.
---@field quotas sluice.quota[] The windows of a subscription as last observed.
---@field cache integer Tokens of this request's prefix that its prompt cache is predicted to hold, 0 = nothing predicted.
local candidate = {}

-- Its own id of an asked model, or the asked one.
---@param asked? string
---@return string?
function candidate:model(asked) end

-- How full a quota's window is, 0..1; default, or 0, where that is unknown or past its reset.
---@param window string
---@param default? number
---@return number
function candidate:utilization(window, default) end

-- The upstream that the request is shaped for. It has the fields of a candidate.
---@class sluice.upstream
---@field id string The text of its UUID.
---@field name string The configured name.
---@field kind string anthropic_direct, bedrock_runtime, bedrock_mantle, vertex or custom.
---@field base_url string The absolute address that requests go below.
---@field region string? The cloud's region.
---@field project string? The cloud's project.
---@field weight integer Its share where the strategy has shares.
---@field priority integer Its rank where the strategy ranks: lower first.
---@field labels table<string, any> What the config says of it.
---@field healthy boolean Whether it takes requests: no refusal keeps them away and its breaker is not open.
---@field cooldown_ms integer How long it still cools after refusals, 0 = not.
---@field breaker string closed, open or half_open.
---@field in_flight integer Requests that it is serving now.
---@field concurrency integer? The configured cap of requests at once.
---@field error_rate number The share of recent answers that failed, 0..1.
---@field ttfb_ms integer The mean time to an answer's head in milliseconds, 0 = not known yet.
---@field rate_limits sluice.rate_limit[] The account's rate limits as last observed.
---@field quotas sluice.quota[] The windows of a subscription as last observed.
---@field cache integer Tokens of this request's prefix that its prompt cache is predicted to hold, 0 = nothing predicted.
local upstream = {}

-- Its own id of an asked model, or the asked one.
---@param asked? string
---@return string?
function upstream:model(asked) end

-- How full a quota's window is, 0..1; default, or 0, where that is unknown or past its reset.
---@param window string
---@param default? number
---@return number
function upstream:utilization(window, default) end

-- The last observation of one of an account's rate limits.
---@class sluice.rate_limit
---@field kind string requests, tokens, input_tokens or output_tokens.
---@field window string? The window it counts in.
---@field limit integer? How much a window allows.
---@field remaining integer? How much is left in this window.
---@field resets_ms integer? Milliseconds until the window begins anew, 0 when it has.
local rate_limit = {}

-- The last observation of one window of a subscription.
---@class sluice.quota
---@field window string 5h, 7d, 7d_opus, overage, unified …
---@field state string fresh, stale (observed more than ten minutes ago) or missing.
---@field status string? allowed, allowed_warning, rejected … as the provider says.
---@field utilization number? How full the window was, 0..1.
---@field resets_ms integer? Milliseconds until the window begins anew, 0 when it has.
local quota = {}

-- Header lines: h["name"] is the first value under a name in any case, or nothing. Walking over it gives lower-case names. In Lua h.all and h["all"] are the method, and h[name] is the header.
---@class sluice.headers
---@field [string] string?
local headers = {}

-- Every value under a name, in order.
---@param name string
---@return string[]
function headers:all(name) end

-- Makes value the only one under a name. In request and response alone.
---@param name string
---@param value string
function headers:set(name, value) end

-- Adds a line. In request and response alone.
---@param name string
---@param value string
function headers:add(name, value) end

-- Drops every line under a name. In request and response alone.
---@param name string
function headers:remove(name) end

-- A JSON body. Paths are dots between keys, with list positions from 0; `\.` is a dot in a key, and the empty path is the whole. A body that is not JSON has nothing at any path.
---@class sluice.body
---@field size integer The length in bytes.
local body = {}

-- The value at path, a decoded copy of an object or list; default where it is absent or null.
---@param path string
---@param default? any
---@return any
function body:get(path, default) end

-- Whether there is a value at path, null included.
---@param path string
---@return boolean
function body:has(path) end

-- "null", "bool", "number", "string", "list" or "object"; nothing where path is absent.
---@param path string
---@return string?
function body:type(path) end

-- The text at path as it stands in the body; of the whole, whatever it is, where path is empty or left out.
---@param path? string
---@return string?
function body:raw(path) end

-- How many values the body holds, those within others among them: what it takes to decode it. 0 where it is not JSON.
---@return integer
function body:values() end

-- The whole body, decoded. A body that is not JSON is an error.
---@return any
function body:json() end

-- Makes value the one at path; -1 appends to a list. In request and response alone.
---@param path string
---@param value any
function body:set(path, value) end

-- As set, with JSON text. In request and response alone.
---@param path string
---@param text string
function body:set_raw(path, text) end

-- Takes out what is at path. In request and response alone.
---@param path string
function body:remove(path) end

-- Makes the whole body a text, or a value encoded as JSON. In request and response alone.
---@param value any
function body:replace(value) end

-- The request that goes to the upstream. It is edited in place.
---@class sluice.request
---@field url string The absolute address. It keeps the upstream's scheme, host and port.
---@field method string The HTTP method.
---@field headers sluice.headers The headers, to be edited.
---@field body sluice.body The body, to be edited.
---@field state table<string, any> A map of the script's own, one for each attempt.
local request = {}

-- The answer that goes to the client. It is edited in place.
---@class sluice.response
---@field status integer The status.
---@field headers sluice.headers The headers, to be edited.
---@field body sluice.body The body, to be edited.
---@field state table<string, any> A map of the script's own, the same from shape to the end of the answer.
local response = {}

-- One event of a stream. After the last one comes `$end`, which is no event of the stream: what is returned for it is sent before the end.
---@class sluice.stream_event
---@field name string The event's name; "" where it has data alone.
---@field data string The data; several lines are joined by LF.
---@field complete boolean? Of `$end`: whether the upstream ended its answer in good order.
local stream_event = {}

-- The data, decoded. Data that is not JSON is an error.
---@return any
function stream_event:json() end

-- The head of a request was read.
---@class sluice.event_request_started
---@field kind "request_started" What happened: request_started.
---@field request_id string The request that it belongs to.
---@field now_ms integer When it was, in milliseconds since 1970.
---@field method string? The HTTP method.
---@field path string? The path, without the query, cut at 2048 bytes.
---@field user_agent string? The client's name of itself, cut at 512 bytes.
local event_request_started = {}

-- The request's key named a principal.
---@class sluice.event_authn_complete
---@field kind "authn_complete" What happened: authn_complete.
---@field request_id string The request that it belongs to.
---@field now_ms integer When it was, in milliseconds since 1970.
---@field principal string? The principal's name.
---@field principal_kind string? The principal's kind.
local event_authn_complete = {}

-- An attempt goes to an upstream.
---@class sluice.event_upstream_chosen
---@field kind "upstream_chosen" What happened: upstream_chosen.
---@field request_id string The request that it belongs to.
---@field now_ms integer When it was, in milliseconds since 1970.
---@field upstream string? The upstream's name.
---@field attempt integer 1 for the first.
local event_upstream_chosen = {}

-- Some events of a stream went by.
---@class sluice.event_chunk
---@field kind "chunk" What happened: chunk.
---@field request_id string The request that it belongs to.
---@field now_ms integer When it was, in milliseconds since 1970.
---@field index integer Counts batches from 0.
---@field events integer How many events.
---@field bytes integer How many bytes.
local event_chunk = {}

-- The last byte went out, or the request ended without one.
---@class sluice.event_request_finished
---@field kind "request_finished" What happened: request_finished.
---@field request_id string The request that it belongs to.
---@field now_ms integer When it was, in milliseconds since 1970.
---@field status integer The answer's status, 499 when the client left.
---@field code string? The cause of an answer that the gateway itself made.
---@field model string? The model that was asked for.
---@field upstream string? The upstream that answered.
---@field usage sluice.usage? The tokens that the upstream reported.
---@field cost_usd number? The price in US dollars.
---@field ttfb_ms integer? Milliseconds to the answer's first byte.
---@field duration_ms integer Milliseconds from the request's first byte to the answer's last.
---@field attempts integer How often an upstream was asked.
local event_request_finished = {}

-- Something went wrong, which the request may have survived.
---@class sluice.event_error
---@field kind "error" What happened: error.
---@field request_id string The request that it belongs to.
---@field now_ms integer When it was, in milliseconds since 1970.
---@field code string? What went wrong, in a word.
---@field message string? What went wrong, in a sentence.
---@field source string? The stage where it did.
local event_error = {}

-- The tokens of one answer, as the upstream reported them.
---@class sluice.usage
---@field input_tokens integer Tokens read, without those of the cache.
---@field output_tokens integer Tokens written.
---@field cache_creation_input_tokens integer Tokens put into the cache.
---@field cache_read_input_tokens integer Tokens taken from the cache.
local usage = {}

-- What a test_ function gets: checks, and builders that start from a sample and take any documented field.
---@class sluice.t
local t = {}

-- Both are equal, however deep.
---@param a any
---@param b any
function t:eq(a, b) end

-- v is neither nothing nor false.
---@param v any
---@param message? string
function t:ok(v, message) end

-- f, called without arguments, fails with a message that holds text.
---@param f function
---@param text? string
function t:fails(f, text) end

-- A sample ctx with the fields that are given.
---@param fields? table<string, any>
---@return sluice.ctx
function t:ctx(fields) end

-- A sample principal with the fields that are given.
---@param fields? table<string, any>
---@return sluice.principal
function t:principal(fields) end

-- A sample candidate with the fields that are given.
---@param name? string
---@param fields? table<string, any>
---@return sluice.candidate
function t:candidate(name, fields) end

-- A sample upstream with the fields that are given.
---@param name? string
---@param fields? table<string, any>
---@return sluice.upstream
function t:upstream(name, fields) end

-- A sample request with the fields that are given.
---@param body? any
---@param fields? table<string, any>
---@return sluice.request
function t:request(body, fields) end

-- A sample response with the fields that are given.
---@param body? any
---@param fields? table<string, any>
---@return sluice.response
function t:response(body, fields) end

-- A sample event with the fields that are given.
---@param kind? string
---@param fields? table<string, any>
---@return sluice.event
function t:event(kind, fields) end

---@alias sluice.event sluice.event_request_started|sluice.event_authn_complete|sluice.event_upstream_chosen|sluice.event_chunk|sluice.event_request_finished|sluice.event_error|sluice.stream_event

-- The binding's config.
---@type table<string, any>
config = {}


-- Writes one line, of at most 1 KiB; ten lines a call are written, the rest is counted.
---@param message any
function log(message) end

-- A number below 2^53 that is the same for the same text, in every release.
---@param s string
---@return integer
function hash(s) end

-- JSON text and values.
json = {}

-- null inside a value.
---@type any
json.null = nil

-- The value of a JSON text.
---@param text string
---@return any
function json.decode(text) end

-- The JSON text of a value.
---@param value any
---@return string
function json.encode(value) end

-- re.replace in each string of the JSON text s, keys as well; all bytes but the matches stay. What stands outside of strings is searched as it is: s may be cut, or no JSON at all. Letters, digits and %+-._@ that are escaped as \u0041 are found at any depth, in JSON within strings too. There \n, \", \u00e9 and the like, and backslashes alone, read as one character, unless p names a backslash: no match begins or ends in one. A match that takes a quote may break JSON within strings. Of two lists, each expression is replaced after the one before it.
---@param p string|string[]
---@param s string
---@param with string|string[]
---@return string
function json.replace(p, s, with) end

-- Marks a table to be written as a list, even when it is empty; in Starlark it returns what it is given.
---@param t any
---@return any[]
function json.array(t) end

-- Regular expressions in RE2 syntax.
re = {}

-- Whether the expression is found in s.
---@param p string
---@param s string
---@return boolean
function re.test(p, s) end

-- The first match: the whole, then its groups; nothing where there is none.
---@param p string
---@param s string
---@return string[]?
function re.find(p, s) end

-- Every match, each as find gives it.
---@param p string
---@param s string
---@return string[][]
function re.find_all(p, s) end

-- s with every match replaced; $1 or ${1} in with is a group, $$ a dollar sign.
---@param p string
---@param s string
---@param with string
---@return string
function re.replace(p, s, with) end

-- Parts of an address.
url = {}

-- s as one segment of a path.
---@param s string
---@return string
function url.escape(s) end

-- A map as a query, in its order; a list gives its name once for each element.
---@param map table<string, any>
---@return string
function url.query(map) end

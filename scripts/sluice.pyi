# What Starlark scripts see, for editors that read Python stubs. Made from the gateway's own tables.
from typing import Any, Callable, Iterator, Literal, Union, overload

class Ctx:
    "The request to decide about, as it came from the client. No credential is in it."
    request_id: str  # The id of the request, a UUIDv7. It fixes what random gives.
    session_id: str  # The client's session, scoped by principal; "" = none.
    method: str  # The HTTP method.
    path: str  # The path, without the query.
    query: dict[str, str]  # The decoded query; of a repeated name the first value.
    headers: Headers  # The headers, read-only.
    model: str | None  # The model that the request asks for.
    stream: bool  # Whether the answer is to be a stream.
    max_tokens: int | None  # The tokens that the answer may have.
    service_tier: str | None  # The service tier that the request asks for.
    attempt: int  # Which attempt this is, 1 for the first.
    now_ms: int  # Milliseconds since 1970, fixed for the request.
    body: Body  # The body, read-only.
    def random(self) -> float: ...  # The next number in [0,1) of a sequence that the request's id fixes.

class Principal:
    "Who asks: a person, a team or a machine that holds a key."
    id: str  # Stable and unique in a deployment.
    name: str  # The configured name.
    kind: str  # How it proves who it is: api_key.
    claims: dict[str, Any]  # What the config says of it.

class Candidate:
    "An upstream that may serve the request, with what is known of it at this moment."
    id: str  # The text of its UUID.
    name: str  # The configured name.
    kind: str  # anthropic_direct, bedrock_runtime, bedrock_mantle, vertex or custom.
    base_url: str  # The absolute address that requests go below.
    region: str | None  # The cloud's region.
    project: str | None  # The cloud's project.
    weight: int  # Its share where the strategy has shares.
    priority: int  # Its rank where the strategy ranks: lower first.
    labels: dict[str, Any]  # What the config says of it.
    healthy: bool  # Whether it takes requests: no refusal keeps them away and its breaker is not open.
    cooldown_ms: int  # How long it still cools after refusals, 0 = not.
    breaker: str  # closed, open or half_open.
    in_flight: int  # Requests that it is serving now.
    concurrency: int | None  # The configured cap of requests at once.
    error_rate: float  # The share of recent answers that failed, 0..1.
    ttfb_ms: int  # The mean time to an answer's head in milliseconds, 0 = not known yet.
    rate_limits: list[RateLimit]  # The account's rate limits as last observed.
    quotas: list[Quota]  # The windows of a subscription as last observed.
    cache: int  # Tokens of this request's prefix that its prompt cache is predicted to hold, 0 = nothing predicted.
    def model(self, asked: str = ...) -> str | None: ...  # Its own id of an asked model, or the asked one.
    def utilization(self, window: str, default: float = ...) -> float: ...  # How full a quota's window is, 0..1; default, or 0, where that is unknown or past its reset.

class Upstream:
    "The upstream that the request is shaped for. It has the fields of a candidate."
    id: str  # The text of its UUID.
    name: str  # The configured name.
    kind: str  # anthropic_direct, bedrock_runtime, bedrock_mantle, vertex or custom.
    base_url: str  # The absolute address that requests go below.
    region: str | None  # The cloud's region.
    project: str | None  # The cloud's project.
    weight: int  # Its share where the strategy has shares.
    priority: int  # Its rank where the strategy ranks: lower first.
    labels: dict[str, Any]  # What the config says of it.
    healthy: bool  # Whether it takes requests: no refusal keeps them away and its breaker is not open.
    cooldown_ms: int  # How long it still cools after refusals, 0 = not.
    breaker: str  # closed, open or half_open.
    in_flight: int  # Requests that it is serving now.
    concurrency: int | None  # The configured cap of requests at once.
    error_rate: float  # The share of recent answers that failed, 0..1.
    ttfb_ms: int  # The mean time to an answer's head in milliseconds, 0 = not known yet.
    rate_limits: list[RateLimit]  # The account's rate limits as last observed.
    quotas: list[Quota]  # The windows of a subscription as last observed.
    cache: int  # Tokens of this request's prefix that its prompt cache is predicted to hold, 0 = nothing predicted.
    def model(self, asked: str = ...) -> str | None: ...  # Its own id of an asked model, or the asked one.
    def utilization(self, window: str, default: float = ...) -> float: ...  # How full a quota's window is, 0..1; default, or 0, where that is unknown or past its reset.

class RateLimit:
    "The last observation of one of an account's rate limits."
    kind: str  # requests, tokens, input_tokens or output_tokens.
    window: str | None  # The window it counts in.
    limit: int | None  # How much a window allows.
    remaining: int | None  # How much is left in this window.
    resets_ms: int | None  # Milliseconds until the window begins anew, 0 when it has.

class Quota:
    "The last observation of one window of a subscription."
    window: str  # 5h, 7d, 7d_opus, overage, unified …
    state: str  # fresh, stale (observed more than ten minutes ago) or missing.
    status: str | None  # allowed, allowed_warning, rejected … as the provider says.
    utilization: float | None  # How full the window was, 0..1.
    resets_ms: int | None  # Milliseconds until the window begins anew, 0 when it has.

class Headers:
    "Header lines: h[\"name\"] is the first value under a name in any case, or nothing. Walking over it gives lower-case names. In Lua h.all and h[\"all\"] are the method, and h[name] is the header."
    def __getitem__(self, name: str) -> str | None: ...
    def get(self, name: str, default: Any = None) -> Any: ...
    def __contains__(self, name: str) -> bool: ...
    def __iter__(self) -> Iterator[str]: ...
    def __len__(self) -> int: ...
    def keys(self) -> list[str]: ...
    def values(self) -> list[str]: ...
    def items(self) -> list[tuple[str, str]]: ...
    def all(self, name: str) -> list[str]: ...  # Every value under a name, in order.
    def set(self, name: str, value: str) -> None: ...  # Makes value the only one under a name. In request and response alone.
    def add(self, name: str, value: str) -> None: ...  # Adds a line. In request and response alone.
    def remove(self, name: str) -> None: ...  # Drops every line under a name. In request and response alone.

class Body:
    "A JSON body. Paths are dots between keys, with list positions from 0; `\\.` is a dot in a key, and the empty path is the whole. A body that is not JSON has nothing at any path."
    size: int  # The length in bytes.
    def get(self, path: str, default: Any = ...) -> Any: ...  # The value at path, a decoded copy of an object or list; default where it is absent or null.
    def has(self, path: str) -> bool: ...  # Whether there is a value at path, null included.
    def type(self, path: str) -> str | None: ...  # "null", "bool", "number", "string", "list" or "object"; nothing where path is absent.
    def raw(self, path: str = ...) -> str | None: ...  # The text at path as it stands in the body; of the whole, whatever it is, where path is empty or left out.
    def values(self) -> int: ...  # How many values the body holds, those within others among them: what it takes to decode it. 0 where it is not JSON.
    def json(self) -> Any: ...  # The whole body, decoded. A body that is not JSON is an error.
    def set(self, path: str, value: Any) -> None: ...  # Makes value the one at path; -1 appends to a list. In request and response alone.
    def set_raw(self, path: str, text: str) -> None: ...  # As set, with JSON text. In request and response alone.
    def remove(self, path: str) -> None: ...  # Takes out what is at path. In request and response alone.
    def replace(self, value: Any) -> None: ...  # Makes the whole body a text, or a value encoded as JSON. In request and response alone.

class Request:
    "The request that goes to the upstream. It is edited in place."
    url: str  # The absolute address. It keeps the upstream's scheme, host and port.
    method: str  # The HTTP method.
    headers: Headers  # The headers, to be edited.
    body: Body  # The body, to be edited.
    state: dict[str, Any]  # A map of the script's own, one for each attempt.

class Response:
    "The answer that goes to the client. It is edited in place."
    status: int  # The status.
    headers: Headers  # The headers, to be edited.
    body: Body  # The body, to be edited.
    state: dict[str, Any]  # A map of the script's own, the same from shape to the end of the answer.

class StreamEvent:
    "One event of a stream. After the last one comes `$end`, which is no event of the stream: what is returned for it is sent before the end."
    name: str  # The event's name; "" where it has data alone.
    data: str  # The data; several lines are joined by LF.
    complete: bool | None  # Of `$end`: whether the upstream ended its answer in good order.
    def json(self) -> Any: ...  # The data, decoded. Data that is not JSON is an error.

class EventRequestStarted:
    "The head of a request was read."
    kind: Literal["request_started"]  # What happened: request_started.
    request_id: str  # The request that it belongs to.
    now_ms: int  # When it was, in milliseconds since 1970.
    method: str | None  # The HTTP method.
    path: str | None  # The path, without the query, cut at 2048 bytes.
    user_agent: str | None  # The client's name of itself, cut at 512 bytes.

class EventAuthnComplete:
    "The request's key named a principal."
    kind: Literal["authn_complete"]  # What happened: authn_complete.
    request_id: str  # The request that it belongs to.
    now_ms: int  # When it was, in milliseconds since 1970.
    principal: str | None  # The principal's name.
    principal_kind: str | None  # The principal's kind.

class EventUpstreamChosen:
    "An attempt goes to an upstream."
    kind: Literal["upstream_chosen"]  # What happened: upstream_chosen.
    request_id: str  # The request that it belongs to.
    now_ms: int  # When it was, in milliseconds since 1970.
    upstream: str | None  # The upstream's name.
    attempt: int  # 1 for the first.

class EventChunk:
    "Some events of a stream went by."
    kind: Literal["chunk"]  # What happened: chunk.
    request_id: str  # The request that it belongs to.
    now_ms: int  # When it was, in milliseconds since 1970.
    index: int  # Counts batches from 0.
    events: int  # How many events.
    bytes: int  # How many bytes.

class EventRequestFinished:
    "The last byte went out, or the request ended without one."
    kind: Literal["request_finished"]  # What happened: request_finished.
    request_id: str  # The request that it belongs to.
    now_ms: int  # When it was, in milliseconds since 1970.
    status: int  # The answer's status, 499 when the client left.
    code: str | None  # The cause of an answer that the gateway itself made.
    model: str | None  # The model that was asked for.
    upstream: str | None  # The upstream that answered.
    usage: Usage | None  # The tokens that the upstream reported.
    cost_usd: float | None  # The price in US dollars.
    ttfb_ms: int | None  # Milliseconds to the answer's first byte.
    duration_ms: int  # Milliseconds from the request's first byte to the answer's last.
    attempts: int  # How often an upstream was asked.

class EventError:
    "Something went wrong, which the request may have survived."
    kind: Literal["error"]  # What happened: error.
    request_id: str  # The request that it belongs to.
    now_ms: int  # When it was, in milliseconds since 1970.
    code: str | None  # What went wrong, in a word.
    message: str | None  # What went wrong, in a sentence.
    source: str | None  # The stage where it did.

class Usage:
    "The tokens of one answer, as the upstream reported them."
    input_tokens: int  # Tokens read, without those of the cache.
    output_tokens: int  # Tokens written.
    cache_creation_input_tokens: int  # Tokens put into the cache.
    cache_read_input_tokens: int  # Tokens taken from the cache.

class T:
    "What a test_ function gets: checks, and builders that start from a sample and take any documented field."
    def eq(self, a: Any, b: Any) -> None: ...  # Both are equal, however deep.
    def ok(self, v: Any, message: str = ...) -> None: ...  # v is neither nothing nor false.
    def fails(self, f: Callable[[], Any], text: str = ...) -> None: ...  # f, called without arguments, fails with a message that holds text.
    def ctx(self, **fields: Any) -> Ctx: ...  # A sample ctx with the fields that are given.
    def principal(self, **fields: Any) -> Principal: ...  # A sample principal with the fields that are given.
    def candidate(self, name: str = ..., **fields: Any) -> Candidate: ...  # A sample candidate with the fields that are given.
    def upstream(self, name: str = ..., **fields: Any) -> Upstream: ...  # A sample upstream with the fields that are given.
    def request(self, body: Any = ..., **fields: Any) -> Request: ...  # A sample request with the fields that are given.
    def response(self, body: Any = ..., **fields: Any) -> Response: ...  # A sample response with the fields that are given.
    @overload
    def event(self, *, data: Any, name: str = ..., complete: bool | None = ...) -> StreamEvent: ...  # A sample event with the fields that are given.
    @overload
    def event(self, *, name: str, complete: bool | None = ...) -> StreamEvent: ...  # A sample event with the fields that are given.
    @overload
    def event(self, kind: Literal["request_started"], **fields: Any) -> EventRequestStarted: ...  # A sample event with the fields that are given.
    @overload
    def event(self, kind: Literal["authn_complete"], **fields: Any) -> EventAuthnComplete: ...  # A sample event with the fields that are given.
    @overload
    def event(self, kind: Literal["upstream_chosen"], **fields: Any) -> EventUpstreamChosen: ...  # A sample event with the fields that are given.
    @overload
    def event(self, kind: Literal["chunk"], **fields: Any) -> EventChunk: ...  # A sample event with the fields that are given.
    @overload
    def event(self, kind: Literal["request_finished"] = ..., **fields: Any) -> EventRequestFinished: ...  # A sample event with the fields that are given.
    @overload
    def event(self, kind: Literal["error"], **fields: Any) -> EventError: ...  # A sample event with the fields that are given.

Event = Union[EventRequestStarted, EventAuthnComplete, EventUpstreamChosen, EventChunk, EventRequestFinished, EventError, StreamEvent]

config: dict[str, Any]

def log(message: Any) -> None: ...  # Writes one line, of at most 1 KiB; ten lines a call are written, the rest is counted.
def hash(s: str) -> int: ...  # A number below 2^53 that is the same for the same text, in every release.

class json:
    "JSON text and values."
    null: Any  # null inside a value.
    @staticmethod
    def decode(text: str) -> Any: ...  # The value of a JSON text.
    @staticmethod
    def encode(value: Any) -> str: ...  # The JSON text of a value.
    @staticmethod
    def replace(p: str | list[str], s: str, with_: str | list[str]) -> str: ...  # re.replace in each string of the JSON text s, keys as well; all bytes but the matches stay. What stands outside of strings is searched as it is: s may be cut, or no JSON at all. Letters, digits and %+-._@ that are escaped as \u0041 are found at any depth, in JSON within strings too. There \n, \", \u00e9 and the like, and backslashes alone, read as one character, unless p names a backslash: no match begins or ends in one. A match that takes a quote may break JSON within strings. Of two lists, each expression is replaced after the one before it.
    @staticmethod
    def array(t: Any) -> list[Any]: ...  # Marks a table to be written as a list, even when it is empty; in Starlark it returns what it is given.

class re:
    "Regular expressions in RE2 syntax."
    @staticmethod
    def test(p: str, s: str) -> bool: ...  # Whether the expression is found in s.
    @staticmethod
    def find(p: str, s: str) -> list[str] | None: ...  # The first match: the whole, then its groups; nothing where there is none.
    @staticmethod
    def find_all(p: str, s: str) -> list[list[str]]: ...  # Every match, each as find gives it.
    @staticmethod
    def replace(p: str, s: str, with_: str) -> str: ...  # s with every match replaced; $1 or ${1} in with is a group, $$ a dollar sign.

class url:
    "Parts of an address."
    @staticmethod
    def escape(s: str) -> str: ...  # s as one segment of a path.
    @staticmethod
    def query(map: dict[str, Any]) -> str: ...  # A map as a query, in its order; a list gives its name once for each element.

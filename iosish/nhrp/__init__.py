"""NHRP (RFC 2332 and what IOS does beyond it), without I/O.

On the wire: `wire`, `cie`, `extensions`, `packet`; what we send and all limits: `constants`. One tunnel: `station`
with its `cache`, and its roles `client` and `server` (registration), `resolution` (asking), `answer`, `transit` and
`purge`; `protection`: the SAs of its peers; `tunnel` joins them. From outside: `config` in, `engine`, `state`, `events`
and `debug` out.
"""

"""IKEv1 (RFC 2407 to 2409, 3706, 3947), as IOS speaks it: sans-IO.

What is told and shown: `config`, `state`, `events`; the surface: `engine`. From the wire upwards: `packet`,
`payloads`, `attributes`, `vendor`; `dh`, `ciphers`, `keymat`; `messages`, in clear, encrypted, authentic. An ISAKMP SA
is an `isakmp_sa`, all of them are `sas`; `main_mode` and `aggressive_mode` make one out of `policies` and `keys`, with
`phase1` in common. What is wanted are `flows`, what they have are `pairs`; `quick_mode` makes one out of
`esp_proposals`. `notices` are what we tell, `informational` is what we are told, `dpd` both. `core` joins the parts.
"""

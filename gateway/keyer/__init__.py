"""The keyer: the small process that owns every PTT device and the squelch lines (contract, 6).

`line` decides, `protocol` is what daemon and keyer say to each other, `port` and `station` hold
the devices of one endpoint, `process` is the loop. Nothing here imports asyncio or numpy: the
keyer starts in a tenth of a second and has little that could fail. The daemon's side of it is
`gateway.voice.keying.keyer_client`.
"""

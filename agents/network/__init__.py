"""The same agents in several processes, over TCP or an MQTT broker.

The orchestrator (`hub`) keeps mosaik, the DSO's agent and the log; the agents of a neighbourhood
live in a process of their own (`host`). Both let theirs act in a `troupe`: a state machine that
does the same whenever it is told the same in the same order. So whoever was gone, a broker or a
process, is told again what it missed, and nothing is applied twice (`office`, `letters`). What is
said is JSON of known kinds (`codec`), in `frames`; `tcp` and `mqtt` carry it. A recorded run can be
played again in one process (`replay`).
"""

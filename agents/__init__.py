"""mango agents: messages, COHDA, the DSO, neighbourhoods, units, and their strategies.

The way of a gate: a mechanism of `strategies` builds a `society` of agents in mango's simulated
world (`communication`, `delays`). The DSO's agent (`dso`) asks neighbourhoods (`speaker`)
and plants (`der`) for offers; a neighbourhood's speaker, or the `pool`, is a `caller` that starts
the negotiation of its units' agents (`unit`), whose working memory is free of any transport
(`memory`: `cohda`, `configuration`, `ledger`, `acquaintance`), as is how they find a schedule
(`choice`). `mo_*` are what MO-COHDA  does not answer is counted on by
`attendance` and `fallback`. Where agents live in several processes, a `stage` of `network` takes
the place of the simulated world. All share `base`, `agenda` and `messages`.
"""

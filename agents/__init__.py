"""mango agents: messages, COHDA, the DSO, neighbourhoods, units, and their strategies."""

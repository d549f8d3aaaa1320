"""How long a Groq-style LPU takes: chip, compiler, plan, schedule."""

# Not a rule: it has no output of its own, must never make a search run again, and has to be right
# also when somebody has deleted the database. It does nothing to what is already there.
onstart:
    shell("wiring track init {SCALE.scale:q} {SCALE.experiments:q}")

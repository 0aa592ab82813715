# Not rules: these have no output of their own, must never make a search run again, and have to be
# right also when somebody has deleted the database. They do nothing to what is already there.
onstart:
    shell("wiring track init {SCALE.scale:q} {EXPERIMENTS:q}")


onsuccess:
    shell("wiring track figures {SCALE_FILE:q} {RESULTS:q}/figures")

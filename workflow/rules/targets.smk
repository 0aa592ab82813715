# What is asked for by name. All that belongs to it is named, or a file that got lost would not be
# missed while what follows from it is there.
for experiment in EXPERIMENTS:

    rule:
        name:
            experiment
        input:
            all_of(experiment),


rule _trajectories:
    input:
        list(TRAJECTORIES.values()),

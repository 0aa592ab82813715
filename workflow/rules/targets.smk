# What is asked for by name. All that belongs to it is named, or a file that got lost would not be
# missed while what follows from it is there.
def all_of(experiment: str) -> list[str]:
    """Every file of an experiment."""
    made = (rules._page.output, rules._claims.output, rules._tables.output)
    return [
        *(path for output in made for path in expand(output, experiment=experiment)),
        *FIGURES[experiment],
        *TRAJECTORIES[experiment],
    ]


for experiment in EXPERIMENTS:

    rule:
        name:
            experiment
        input:
            all_of(experiment),


rule _trajectories:
    input:
        list(TRAJECTORIES.values()),

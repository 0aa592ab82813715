# Included last: a target for each experiment, named like it.
for experiment in SCALE.experiments:
    if rules.has(experiment):
        raise SystemExit(
            f"{SCALE_FILE}: experiments.{experiment}: is the name of a rule, expected another name"
        )

    rule:
        name:
            experiment
        input:
            expand(
                rules.draw.output,
                condition=[
                    condition for condition, owner in CONDITIONS.items() if owner == experiment
                ],
            ),

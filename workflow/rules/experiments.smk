# Included last: a target for each experiment, named like it: its page, and so all that it shows.
for experiment in EXPERIMENTS:
    if rules.has(experiment):
        raise SystemExit(
            f"{SCALE_FILE}: experiments.{experiment}: is the name of a rule, expected another name"
        )

    rule:
        name:
            experiment
        input:
            f"{RESULTS}/report/{experiment}.html",

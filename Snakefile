# The whole study: `snakemake` (scale: embedded), `snakemake --config scale=smoke` (or `paper`, or
# the path of a scale file of your own). `snakemake E1` does one experiment.


include: "workflow/rules/common.smk"


report: "workflow/report/workflow.rst"


include: "workflow/rules/data.smk"
include: "workflow/rules/track.smk"
include: "workflow/rules/search.smk"
include: "workflow/rules/dynamics.smk"
include: "workflow/rules/claims.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/experiments.smk"


rule all:
    default_target: True
    input:
        rules.report.input,
        # Named too, or one that got lost would not be missed while what follows from it is there.
        rules.trajectories.input,
        rules.dynamics.output,
        rules.metrics.output,
        rules.claims.output,
        rules.experiments.input,
        rules.figures.input,

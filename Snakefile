# `snakemake`: the whole study (scale: embedded). `snakemake --config scale=smoke` (or `paper`, or the
# path of a scale file of your own). `snakemake E1` does one experiment, `snakemake _trajectories` only
# the searches. Results go to the working directory.


include: "workflow/Snakefile"


# What an included file calls the default is not this file's.
rule _default:
    default_target: True
    input:
        rules._all.input,

# A job runs the seeds of a condition one after the other, in one process: to start and to end one
# costs more than many a search. Each seed has its own trajectory and its own checkpoint.
#
# Snakemake removes what a job is to make before it runs the job, and again if the job fails. So that
# no finished seed is lost, a search is written to checkpoints/finished and linked to its place when
# the whole condition is done; hooks.smk links there, before any job runs, what is at its place
# already. A job takes from there what was made by the same settings, data and code: a seed that was
# added, lost or has failed is the only one that is searched. (Snakemake's own `update()` keeps what is
# there as well, but nothing of what a failed job made.)


# A limit on GPUs (profiles/default has one) is a machine's: a cluster counts its own, also where that
# profile is read beside the cluster's.
resource_scopes:
    gpu="local",


TRAJECTORY = f"{RESULTS}/experiments/{{experiment}}/trajectories/{{search}}"
FILES = ("windows.parquet", "epochs.parquet", "samples.parquet", "manifest.json")
TRAJECTORIES = {
    experiment: [
        f"{TRAJECTORY}/{file}".format(experiment=experiment, search=search.id)
        for searches in conditions.values()
        for search in searches
        for file in FILES
    ]
    for experiment, conditions in DESIGN.items()
}
SEARCHES_OF = {name: searches for all_ in DESIGN.values() for name, searches in all_.items()}
CONDITIONS = {name: searches[0] for name, searches in SEARCHES_OF.items()}
DATASETS = {name: expand(rules._dataset.output, dataset=name) for name in SCALE.datasets}


def batches(experiment: str):
    """The seeds of each job of a condition: one where a search keeps a GPU busy for long."""
    count = TOLD.seeds_per_job
    if any(search.run.gpus for search in CONDITIONS.values() if search.experiment == experiment):
        count = 1
    seeds = SCALE.experiments[experiment].seeds
    return [seeds[first : first + count] for first in range(0, len(seeds), count)]


# An experiment with a long search begins first, lest one core end alone with it; a rule has one
# priority. Beside them all else has none, and so waits: it is short.
LONGEST = {
    experiment: round(max(work(CONDITIONS[name]) for name in DESIGN[experiment]))
    for experiment in EXPERIMENTS
}


@cache
def condition_of(name: str) -> str:
    """What a condition's searches have in common. Not their seeds: one more changes none of them.

    Where overrides name seeds, what each has for itself.
    """
    own = (search.model_copy(update={"seed": 0}).canonical for search in SEARCHES_OF[name])
    return "\n".join(dict.fromkeys(own))


def searches_of(wildcards, output) -> str:
    """The searches that a job makes, as a list in JSON."""
    names = dict.fromkeys(Path(path).parent.name for path in output)
    return f"[{','.join(SEARCHES[name].canonical for name in names)}]"


def minutes(seeds: int):
    """The time that a job with so many seeds is given."""
    return lambda wildcards: seeds * CONDITIONS[wildcards.condition].run.minutes


for experiment in EXPERIMENTS:
    for number, seeds in enumerate(batches(experiment)):

        rule:
            name:
                f"_search{number or ''}_{experiment}"
            input:
                data=lambda wildcards: DATASETS[CONDITIONS[wildcards.condition].dataset],
            output:
                [
                    f"{TRAJECTORY}/{file}".format(
                        experiment=experiment, search=f"{{condition}}_s{seed}"
                    )
                    for seed in seeds
                    for file in FILES
                ],
            log:
                f"{LOGS}/experiments/{experiment}/{{condition}}-{number}.log",
            wildcard_constraints:
                condition=one_of(DESIGN[experiment]),
            priority: LONGEST[experiment]
            conda:
                "../envs/wiring.yaml"
            threads: lambda wildcards: CONDITIONS[wildcards.condition].run.threads
            resources:
                mem_mb=lambda wildcards: CONDITIONS[wildcards.condition].run.memory_mb,
                runtime=minutes(len(seeds)),
                gpu=lambda wildcards: CONDITIONS[wildcards.condition].run.gpus,
            params:
                code=code_digest("trajectories"),
                method=lambda wildcards: method_digest(CONDITIONS[wildcards.condition].method),
                condition=lambda wildcards: condition_of(wildcards.condition),
                # These ask for input or output, and are so not recorded: what they say besides changes
                # no result.
                searches=searches_of,
                scale=lambda wildcards, output: SCALE.scale,
                data=lambda wildcards, input: Path(input.data[0]).parent,
                out=lambda wildcards, output: Path(output[0]).parents[1],
                checkpoints=lambda wildcards, output: Path(output[0]).parents[4] / "checkpoints",
            shell:
                "wiring searches {params.searches:q} --scale {params.scale:q} --data {params.data:q}"
                " --out {params.out:q} --checkpoints {params.checkpoints:q} --log {log:q}"

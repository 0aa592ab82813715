def folders_of_trajectories(wildcards, input) -> str:
    """All folders in one word for the shell, which has a limit: `trajectories/{a,b}_s{0,1}`."""

    def either(names) -> str:
        return names[0] if len(names) == 1 else f"{{{','.join(names)}}}"

    seeds = [str(seed) for seed in SCALE.experiments[wildcards.experiment].seeds]
    root = Path(input.trajectories[0]).parents[1]
    return f"{root}/{either(list(DESIGN[wildcards.experiment]))}_s{either(seeds)}"


rule _tables:
    input:
        trajectories=lambda wildcards: TRAJECTORIES[wildcards.experiment],
    output:
        searches=report(
            f"{HOME}/tables/searches.parquet",
            caption="../report/searches.rst",
            category="Tables",
            labels={"table": "searches", "experiment": "{experiment}"},
        ),
        others=expand(f"{HOME}/tables/{{table}}.parquet", table=TABLES[1:], allow_missing=True),
    log:
        f"{LOGS}/experiments/{{experiment}}/tables.log",
    conda:
        "../../environment.yml"
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        code=code_digest("dynamics"),
        trajectories=folders_of_trajectories,
        out=subpath(output.searches, parent=True),
    shell:
        "wiring dynamics {params.trajectories} --out {params.out:q} 2>&1 | tee {log:q}"

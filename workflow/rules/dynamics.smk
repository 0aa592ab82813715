rule dynamics:
    input:
        trajectories=expand(rules.search.output, search=SEARCHES),
    output:
        searches=report(
            f"{RESULTS}/dynamics/searches.parquet",
            caption="../report/searches.rst",
            category="Tables",
            labels={"table": "searches"},
        ),
        others=expand(f"{RESULTS}/dynamics/{{table}}.parquet", table=TABLES[1:]),
    log:
        f"{LOGS}/dynamics.log",
    conda:
        "../../environment.yml"
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        code=code_digest("dynamics"),
        trajectories=lambda wildcards, input: sorted(
            {str(Path(path).parent) for path in input.trajectories}
        ),
        out=subpath(output.searches, parent=True),
    shell:
        "wiring dynamics {params.trajectories:q} --out {params.out:q} 2>&1 | tee {log:q}"


# The same for one experiment, so that it can be looked at before the others are done.
use rule dynamics as experiment_dynamics with:
    input:
        trajectories=lambda wildcards: expand(
            rules.search.output,
            search=[
                name
                for name, search in SEARCHES.items()
                if search.experiment == wildcards.experiment
            ],
        ),
    output:
        searches=f"{RESULTS}/experiments/{{experiment}}/searches.parquet",
        others=expand(
            f"{RESULTS}/experiments/{{{{experiment}}}}/{{table}}.parquet", table=TABLES[1:]
        ),
    log:
        f"{LOGS}/experiments/{{experiment}}.log",


rule metrics:
    input:
        tables=rules.dynamics.output,
    output:
        expand(f"{RESULTS}/metrics/{{condition}}.json", condition=CONDITIONS),
    log:
        f"{LOGS}/metrics.log",
    conda:
        "../../environment.yml"
    params:
        code=code_digest("dynamics"),
        tables=folder_of_tables,
        out=subpath(output[0], parent=True),
    shell:
        "wiring metrics --dynamics {params.tables:q} --out {params.out:q} 2>&1 | tee {log:q}"

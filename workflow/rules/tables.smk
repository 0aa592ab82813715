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
        "../envs/wiring.yaml"
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        code=code_digest("dynamics"),
        readings=SCALE.readings.model_dump_json(),
        scale=scale_file,
        trajectories=folders_of_trajectories,
        out=subpath(output.searches, parent=True),
    shell:
        "wiring dynamics {params.trajectories} --scale-file {params.scale:q} --out {params.out:q}"
        " 2>&1 | tee {log:q}"

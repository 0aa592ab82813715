rule _claims:
    input:
        tables=rules._tables.output,
    output:
        report(
            f"{HOME}/claims.json",
            caption="../report/claims.rst",
            category="Tables",
            labels={"table": "claims", "experiment": "{experiment}"},
        ),
    log:
        f"{LOGS}/experiments/{{experiment}}/claims.log",
    conda:
        "../envs/wiring.yaml"
    params:
        code=code_digest("claims"),
        # Only what stands in the file counts, not how: a comment changes nothing.
        thresholds=SCALE.claims.model_dump_json(),
        # Which searches elsewhere have the settings that are measured here, if any are.
        twins=lambda wildcards: {
            str(condition): str(twin)
            for condition, twin in twins(SCALE, wildcards.experiment).items()
        },
        scale=scale_file,
        tables=folder_of_tables,
    shell:
        "wiring claims --scale-file {params.scale:q} --experiment {wildcards.experiment:q}"
        " --tables {params.tables:q} --out {output:q} 2>&1 | tee {log:q}"

rule claims:
    input:
        code=code("config", "dynamics", "claims"),
        tables=rules.dynamics.output,
    output:
        report(
            f"{RESULTS}/claims/claims.json",
            caption="../report/claims.rst",
            category="Tables",
            labels={"table": "claims"},
        ),
    log:
        f"{LOGS}/claims.log",
    conda:
        "../../environment.yml"
    params:
        thresholds=SCALE.claims.model_dump_json(),
        tables=folder_of_tables,
    shell:
        "wiring claims {params.thresholds:q} --dynamics {params.tables:q} --out {output:q}"
        " > {log:q} 2>&1"

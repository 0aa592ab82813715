rule claims:
    input:
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
        code=code_digest("claims"),
        thresholds=SCALE.claims.model_dump_json(),
        tables=folder_of_tables,
    shell:
        "wiring claims {params.thresholds:q} --dynamics {params.tables:q} --out {output:q}"
        " 2>&1 | tee {log:q}"


use rule claims as experiment_claims with:
    input:
        tables=rules.experiment_dynamics.output,
    output:
        f"{RESULTS}/experiments/{{experiment}}/claims.json",
    log:
        f"{LOGS}/experiments/{{experiment}}-claims.log",


rule experiments:
    input:
        expand(rules.experiment_dynamics.output, experiment=EXPERIMENTS),
        expand(rules.experiment_claims.output, experiment=EXPERIMENTS),

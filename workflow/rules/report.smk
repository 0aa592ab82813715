rule page:
    input:
        tables=rules.experiment_dynamics.output,
        claims=rules.experiment_claims.output,
        figures=lambda wildcards: [
            f"{RESULTS}/figures/{path}" for path in SCALE.figures(wildcards.experiment)
        ],
    output:
        report(
            f"{RESULTS}/report/{{experiment}}.html",
            caption="../report/page.rst",
            category="{experiment}",
            labels={"figure": "its page"},
        ),
    log:
        f"{LOGS}/report/{{experiment}}.log",
    conda:
        "../../environment.yml"
    params:
        code=code_digest("report"),
        # Only what stands in the file counts, not how: a comment changes nothing.
        design=lambda wildcards: SCALE.experiments[wildcards.experiment].model_dump_json(),
        scale=SCALE_FILE,
        tables=folder_of_tables,
        figures=lambda wildcards, input: Path(input.figures[0]).parents[1],
    shell:
        "wiring page {params.scale:q} {wildcards.experiment:q} --dynamics {params.tables:q}"
        " --claims {input.claims:q} --figures {params.figures:q} --out {output:q} 2>&1 | tee {log:q}"


rule index:
    input:
        tables=rules.dynamics.output,
        claims=rules.claims.output,
        overview=rules.overview.output,
    output:
        report(
            f"{RESULTS}/report/index.html",
            caption="../report/index.rst",
            category="Overview",
            labels={"figure": "the study in one page"},
        ),
    log:
        f"{LOGS}/report/index.log",
    conda:
        "../../environment.yml"
    params:
        code=code_digest("report"),
        design=SCALE.model_dump_json(),
        scale=SCALE_FILE,
        tables=folder_of_tables,
    shell:
        "wiring report {params.scale:q} --dynamics {params.tables:q} --claims {input.claims:q}"
        " --overview {input.overview:q} --out {output:q} 2>&1 | tee {log:q}"


rule report:
    input:
        rules.index.output,
        expand(rules.page.output, experiment=EXPERIMENTS),

rule report:
    input:
        code=code("config", "dynamics/store.py", "claims", "report"),
        scale=SCALE_FILE,
        tables=rules.dynamics.output,
        claims=rules.claims.output,
        overview=rules.overview.output,
        figures=rules.figures.input,
    output:
        report(
            f"{RESULTS}/report/index.html",
            caption="../report/index.rst",
            category="Overview",
            labels={"figure": "the study in one page"},
        ),
    log:
        f"{LOGS}/report.log",
    conda:
        "../../environment.yml"
    params:
        tables=folder_of_tables,
        figures=lambda wildcards, input: Path(input.overview[0]).parent,
    shell:
        "wiring report {input.scale:q} --dynamics {params.tables:q} --claims {input.claims:q}"
        " --figures {params.figures:q} --out {output:q} > {log:q} 2>&1"

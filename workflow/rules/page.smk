rule _page:
    input:
        tables=rules._tables.output,
        claims=rules._claims.output,
        figures=lambda wildcards: FIGURES[wildcards.experiment],
    output:
        report(
            f"{HOME}/index.html",
            caption="../report/page.rst",
            category="{experiment}",
            labels={"figure": "its page"},
        ),
    log:
        f"{LOGS}/experiments/{{experiment}}/page.log",
    conda:
        "../envs/wiring.yaml"
    params:
        code=code_digest("report"),
        design=lambda wildcards: SCALE.experiments[wildcards.experiment].model_dump_json(),
        scale=scale_file,
        tables=folder_of_tables,
        figures=lambda wildcards, output: Path(output[0]).parent / "figures",
    shell:
        "wiring page {params.scale:q} {wildcards.experiment:q} --tables {params.tables:q}"
        " --claims {input.claims:q} --figures {params.figures:q} --out {output:q} 2>&1 | tee {log:q}"


rule _explorer:
    input:
        trajectories=lambda wildcards: TRAJECTORIES[wildcards.experiment],
    output:
        report(
            f"{HOME}/explorer.html",
            caption="../report/explorer.rst",
            category="{experiment}",
            labels={"figure": "its searches, to move through"},
        ),
    log:
        f"{LOGS}/experiments/{{experiment}}/explorer.log",
    conda:
        "../envs/wiring.yaml"
    resources:
        mem_mb=4000,
    params:
        code=code_digest("explorer"),
        trajectories=folders_of_trajectories,
    shell:
        "wiring show {params.trajectories} --out {output:q} 2>&1 | tee {log:q}"

rule draw:
    input:
        code=code("config", "dynamics/store.py", "figures"),
        tables=lambda wildcards: expand(
            rules.experiment_dynamics.output, experiment=CONDITIONS[wildcards.condition]
        ),
    output:
        [
            report(
                f"{RESULTS}/figures/{{condition}}/{figure}",
                caption=f"../report/{figure.replace('.', '-')}.rst",
                category="Conditions",
                subcategory="{condition}",
                labels={"figure": figure},
            )
            for figure in FIGURES
        ],
    log:
        f"{LOGS}/figures/{{condition}}.log",
    conda:
        "../../environment.yml"
    params:
        report=SCALE.report.model_dump_json(),
        tables=folder_of_tables,
        out=subpath(output[0], parent=True),
    shell:
        "wiring figures {wildcards.condition:q} --dynamics {params.tables:q} --out {params.out:q}"
        " --report {params.report:q} > {log:q} 2>&1"


rule overview:
    input:
        code=code("config", "dynamics/store.py", "figures"),
        tables=rules.dynamics.output,
    output:
        report(
            f"{RESULTS}/figures/overview.svg",
            caption="../report/overview.rst",
            category="Overview",
            labels={"figure": "overview"},
        ),
    log:
        f"{LOGS}/figures/overview.log",
    conda:
        "../../environment.yml"
    params:
        tables=folder_of_tables,
    shell:
        "wiring overview --dynamics {params.tables:q} --out {output:q} > {log:q} 2>&1"


rule figures:
    input:
        expand(rules.draw.output, condition=CONDITIONS),
        rules.overview.output,

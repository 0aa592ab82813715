# A job an experiment: one start of Python draws all its conditions.
for experiment in EXPERIMENTS:

    rule:
        name:
            f"{experiment}_figures"
        input:
            tables=expand(rules.experiment_dynamics.output, experiment=experiment),
        output:
            [
                report(
                    f"{RESULTS}/figures/{path}",
                    caption=f"../report/{Path(path).name.replace('.', '-')}.rst",
                    category=experiment,
                    subcategory=str(Path(path).parent),
                    labels={"figure": Path(path).name},
                )
                for path in SCALE.figures(experiment)
            ],
        log:
            f"{LOGS}/figures/{experiment}.log",
        conda:
            "../../environment.yml"
        params:
            code=code_digest("figures"),
            report=SCALE.report.model_dump_json(),
            baseline=SCALE.claims.baseline,
            tables=folder_of_tables,
            out=lambda wildcards, output: Path(output[0]).parents[1],
        shell:
            "wiring figures --dynamics {params.tables:q} --out {params.out:q}"
            " --report {params.report:q} --baseline {params.baseline:q} 2>&1 | tee {log:q}"


rule overview:
    input:
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
        code=code_digest("figures"),
        tables=folder_of_tables,
    shell:
        "wiring overview --dynamics {params.tables:q} --out {output:q} 2>&1 | tee {log:q}"


rule figures:
    input:
        [f"{RESULTS}/figures/{path}" for name in EXPERIMENTS for path in SCALE.figures(name)],
        rules.overview.output,

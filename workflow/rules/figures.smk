from wiring.figures.catalogue import paths_of

# A rule an experiment, as each has figures of its own; one start of Python draws them all.
FIGURES = {
    experiment: [
        f"{HOME}/figures/{path}".format(experiment=experiment)
        for path in paths_of(SCALE, experiment)
    ]
    for experiment in EXPERIMENTS
}

for experiment in EXPERIMENTS:

    rule:
        name:
            f"_figures_{experiment}"
        input:
            tables=expand(rules._tables.output, experiment=experiment),
        output:
            [
                report(
                    path,
                    caption=f"../report/{Path(path).name.replace('.', '-')}.rst",
                    category=experiment,
                    subcategory=Path(path).parent.name,
                    labels={"figure": Path(path).name},
                )
                for path in FIGURES[experiment]
            ],
        log:
            f"{LOGS}/experiments/{experiment}/figures.log",
        conda:
            "../envs/wiring.yaml"
        params:
            code=code_digest("figures"),
            # Only what stands in the file counts, not how: a comment changes nothing.
            report=SCALE.report.model_dump_json(),
            baseline=SCALE.claims.baseline,
            scale=scale_file,
            experiment=experiment,
            tables=folder_of_tables,
            out=lambda wildcards, input: Path(input.tables[0]).parents[1] / "figures",
        shell:
            "wiring figures {params.scale:q} {params.experiment:q} --tables {params.tables:q}"
            " --out {params.out:q} 2>&1 | tee {log:q}"

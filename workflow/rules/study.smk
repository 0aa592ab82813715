# The whole study, made from what its experiments have.
from wiring.figures.catalogue import of_study

ALL_TABLES = expand(rules._tables.output, experiment=EXPERIMENTS)
# The conditions in which alpha learns.
LEARNING = [
    name for name, searches in SEARCHES_OF.items() if any(search.alpha.lr for search in searches)
]


rule _overview:
    input:
        tables=ALL_TABLES,
    output:
        [
            report(
                f"{RESULTS}/{one.file}",
                caption=f"../report/{one.file.replace('.', '-')}.rst",
                category="Overview",
                labels={"figure": Path(one.file).stem},
            )
            for one in of_study(SCALE)
        ],
    log:
        f"{LOGS}/overview.log",
    conda:
        "../envs/wiring.yaml"
    params:
        code=code_digest("figures"),
        tables=options_of_tables,
        out=lambda wildcards, output: [f"--out={path}" for path in output],
    shell:
        "wiring overview {params.tables:q} {params.out:q} 2>&1 | tee {log:q}"


rule _metrics:
    input:
        tables=ALL_TABLES,
    output:
        expand(f"{RESULTS}/metrics/{{condition}}.json", condition=CONDITIONS),
    log:
        f"{LOGS}/metrics.log",
    conda:
        "../envs/wiring.yaml"
    params:
        code=code_digest("dynamics"),
        tables=options_of_tables,
        out=subpath(output[0], parent=True),
    shell:
        "wiring metrics {params.tables:q} --out {params.out:q} 2>&1 | tee {log:q}"


rule _series:
    input:
        tables=ALL_TABLES,
    output:
        expand(f"{RESULTS}/series/none/{{condition}}.csv", condition=LEARNING),
        expand(f"{RESULTS}/series/gap/{{condition}}.csv", condition=CONDITIONS),
    log:
        f"{LOGS}/series.log",
    conda:
        "../envs/wiring.yaml"
    params:
        code=code_digest("series"),
        tables=options_of_tables,
        out=subpath(output[0], ancestor=2),
    shell:
        "wiring series {params.tables:q} --out {params.out:q} 2>&1 | tee {log:q}"


rule _index:
    input:
        tables=ALL_TABLES,
        claims=expand(rules._claims.output, experiment=EXPERIMENTS),
        overview=rules._overview.output,
        figures=list(FIGURES.values()),
    output:
        report(
            f"{RESULTS}/index.html",
            caption="../report/index.rst",
            category="Overview",
            labels={"figure": "the study in one page"},
        ),
    log:
        f"{LOGS}/index.log",
    conda:
        "../envs/wiring.yaml"
    params:
        code=code_digest("report"),
        # Asked for: in a text that stands here, `{x}` of a title would be a wildcard.
        design=lambda wildcards: SCALE.model_dump_json(),
        scale=scale_file,
        results=subpath(output[0], parent=True),
    shell:
        "wiring report {params.scale:q} --results {params.results:q} --out {output:q}"
        " 2>&1 | tee {log:q}"

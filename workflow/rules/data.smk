rule prepare:
    output:
        train=f"{RESULTS}/data/{{dataset}}/train.parquet",
        test=f"{RESULTS}/data/{{dataset}}/test.parquet",
        manifest=f"{RESULTS}/data/{{dataset}}/manifest.json",
    log:
        f"{LOGS}/data/{{dataset}}.log",
    conda:
        "../../environment.yml"
    params:
        code=code_digest("data"),
        dataset=lambda wildcards: SCALE.datasets[wildcards.dataset].model_dump_json(),
        out=subpath(output.train, parent=True),
    shell:
        "wiring data {params.dataset:q} --out {params.out:q} 2>&1 | tee {log:q}"


rule data:
    input:
        expand(rules.prepare.output.manifest, dataset=SCALE.datasets),

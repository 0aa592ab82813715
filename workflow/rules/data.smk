rule _dataset:
    output:
        train=f"{RESULTS}/datasets/{{dataset}}/train.parquet",
        test=f"{RESULTS}/datasets/{{dataset}}/test.parquet",
        manifest=f"{RESULTS}/datasets/{{dataset}}/manifest.json",
    log:
        f"{LOGS}/datasets/{{dataset}}.log",
    conda:
        "../../environment.yml"
    params:
        code=code_digest("data"),
        dataset=lambda wildcards: SCALE.datasets[wildcards.dataset].model_dump_json(),
        out=subpath(output.train, parent=True),
    shell:
        "wiring data {params.dataset:q} --out {params.out:q} 2>&1 | tee {log:q}"

rule _dataset:
    input:
        # A file or folder of the user's own, if the dataset names one: read anew when it changes.
        lambda wildcards: SCALE.datasets[wildcards.dataset].path or [],
    output:
        train=f"{RESULTS}/datasets/{{dataset}}/train.parquet",
        test=f"{RESULTS}/datasets/{{dataset}}/test.parquet",
        manifest=f"{RESULTS}/datasets/{{dataset}}/manifest.json",
    log:
        f"{LOGS}/datasets/{{dataset}}.log",
    conda:
        "../envs/wiring.yaml"
    params:
        code=code_digest("data"),
        source=lambda wildcards: source_digest(SCALE.datasets[wildcards.dataset].source),
        dataset=lambda wildcards: SCALE.datasets[wildcards.dataset].model_dump_json(),
        out=subpath(output.train, parent=True),
    shell:
        "wiring data {params.dataset:q} --out {params.out:q} 2>&1 | tee {log:q}"

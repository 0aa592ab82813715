# A limit on GPUs (profiles/default has one) is a machine's: a cluster counts its own, also where that
# profile is read beside the cluster's.
resource_scopes:
    gpu="local",


rule search:
    input:
        data=lambda wildcards: expand(
            rules.prepare.output, dataset=SEARCHES[wildcards.search].dataset
        ),
    output:
        steps=f"{RESULTS}/trajectories/{{search}}/steps.parquet",
        epochs=f"{RESULTS}/trajectories/{{search}}/epochs.parquet",
        samples=f"{RESULTS}/trajectories/{{search}}/samples.parquet",
        manifest=f"{RESULTS}/trajectories/{{search}}/manifest.json",
    log:
        f"{LOGS}/searches/{{search}}.log",
    conda:
        "../../environment.yml"
    threads: lambda wildcards: SEARCHES[wildcards.search].run.threads
    resources:
        mem_mb=lambda wildcards: SEARCHES[wildcards.search].run.memory_mb,
        runtime=lambda wildcards: SEARCHES[wildcards.search].run.minutes,
        gpu=lambda wildcards: SEARCHES[wildcards.search].run.gpus,
    params:
        code=code_digest("trajectories"),
        method=lambda wildcards: method_digest(SEARCHES[wildcards.search].method),
        search=lambda wildcards: SEARCHES[wildcards.search].canonical,
        scale=SCALE.scale,
        data=lambda wildcards, input: Path(input.data[0]).parent,
        out=subpath(output.steps, parent=True),
        # Not an output: it has to survive a job that is killed.
        checkpoints=lambda wildcards: f"{RESULTS}/checkpoints/{wildcards.search}",
    shell:
        "wiring search {params.search:q} --scale {params.scale:q} --data {params.data:q}"
        " --out {params.out:q} --checkpoints {params.checkpoints:q} --log {log:q}"


rule trajectories:
    input:
        expand(rules.search.output, search=SEARCHES),

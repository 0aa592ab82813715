# The page about the methods that a scale file's `audit` names; without that section nothing of it is made.


rule _charges:
    output:
        f"{RESULTS}/charges.json",
    log:
        f"{LOGS}/charges.log",
    conda:
        "../envs/wiring.yaml"
    params:
        code=code_digest("charges"),
        methods={
            search.method: [method_digest(search.method), search.settings]
            for search in reversed(SEARCHES.values())
        },
        scale=scale_file,
    shell:
        "wiring charges {params.scale:q} --out {output:q} 2>&1 | tee {log:q}"


rule _audit:
    input:
        tables=ALL_TABLES,
        claims=expand(rules._claims.output, experiment=EXPERIMENTS),
        charges=rules._charges.output,
        figures=rules._overview.output,
    output:
        report(
            f"{RESULTS}/audit.html",
            caption="../report/audit.rst",
            category="Overview",
            labels={"figure": "the audit"},
        ),
    log:
        f"{LOGS}/audit.log",
    conda:
        "../envs/wiring.yaml"
    params:
        code=code_digest("report"),
        # Asked for: in a text that stands here, `{x}` of a title would be a wildcard.
        design=lambda wildcards: SCALE.model_dump_json(),
        scale=scale_file,
        results=subpath(output[0], parent=True),
    shell:
        "wiring answers {params.scale:q} --results {params.results:q} --out {output:q}"
        " 2>&1 | tee {log:q}"


AUDIT = rules._audit.output if SCALE.audit else []

# generate-adversarials: one job for each attack setting and source model.
rule generate_adversarials:
    input:
        images=lambda wildcards: selected(wildcards.source),
        selection=RESULTS / "selection.parquet",
        predictions=RESULTS / "predictions" / "{source}.parquet",
        weights=lambda wildcards: model_file(wildcards.source, "weights.safetensors"),
        card=lambda wildcards: model_file(wildcards.source, "card.json"),
    output:
        passing(RESULTS / "adversarials" / "{setting}" / "{source}.parquet"),
    log:
        RESULTS / "logs" / "adversarials" / "{setting}" / "{source}.log",
    benchmark:
        RESULTS / "benchmarks" / "attack" / "{setting}" / "{source}.tsv"
    resources:
        gpu=GPU,
        mem_mb=8000,
        runtime=lambda wildcards: runtime(
            lambda costs: costs.attack(
                STUDY.setting(wildcards.setting), wildcards.source
            )
        ),
    params:
        setting=lambda wildcards: STUDY.setting(wildcards.setting).describe(),
        code=lambda wildcards: model_code(
            "stages.generate",
            wildcards.source,
            *attack_modules(wildcards.setting),
        ),
    message:
        "attack {wildcards.source} with {wildcards.setting}"
    script:
        "../scripts/generate_adversarials.py"


# Of adversarials that go once every target has seen them, the successful ones.
rule keep_successful:
    input:
        RESULTS / "adversarials" / "{setting}" / "{source}.parquet",
    output:
        RESULTS / "successful" / "{setting}" / "{source}.parquet",
    log:
        RESULTS / "logs" / "successful" / "{setting}" / "{source}.log",
    group:
        submitted_together("tables")
    resources:
        slot=1,
        runtime=5,
    params:
        code=code("stages.generate"),
    message:
        "keep the successful examples of {wildcards.setting} on {wildcards.source}"
    script:
        "../scripts/keep_successful.py"

# evaluate-transfer: one job for each attack setting and ordered pair. Where source and target are the same model, the rate
# is the attack's own success. The job is a light client of a warm evaluator (see docs/architecture.md).
CLIENT = BASE / "src" / "advatlas" / "evaluator" / "client.py"


rule evaluate_transfer:
    input:
        adversarials=RESULTS / "adversarials" / "{setting}" / "{source}.parquet",
        images=lambda wildcards: selected(wildcards.source),
        predictions=RESULTS / "predictions" / "{target}.parquet",
        weights=lambda wildcards: model_file(wildcards.target, "weights.safetensors"),
        card=lambda wildcards: model_file(wildcards.target, "card.json"),
    output:
        RESULTS / "transfer" / "{setting}" / "{source}" / "{target}.parquet",
    log:
        RESULTS / "logs" / "transfer" / "{setting}" / "{source}" / "{target}.log",
    # On a cluster the pairs of a target are submitted together (profiles/slurm).
    group:
        submitted_together("pairs_{target}")
    resources:
        gpu=GPU,
        slot=1,
        runtime=lambda wildcards: runtime(
            lambda costs: costs.pair(
                STUDY.setting(wildcards.setting), wildcards.target
            ),
            least=1,
        ),
    params:
        top_k=max(STUDY.top_k),
        fits=lambda wildcards: ",".join(
            STUDY.setting(wildcards.setting).fits or STUDY.fits
        ),
        eight_bit="yes" if STUDY.eight_bit else "no",
        code=lambda wildcards: model_code("stages.evaluate", wildcards.target),
    message:
        "show {wildcards.target} the {wildcards.setting} examples of {wildcards.source}"
    shell:
        "{sys.executable:q} -S -E {CLIENT:q} adversarials={input.adversarials:q} images={input.images:q}"
        " weights={input.weights:q} card={input.card:q} predictions={input.predictions:q} output={output:q}"
        " top_k={params.top_k} fits={params.fits} eight_bit={params.eight_bit} batch_size={config[batch_size]}"
        " device={config[device]} threads={config[cpu_threads]} 2> {log:q}"

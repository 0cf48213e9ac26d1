# train-model, fetch-model or defend-model, and predict: one job for each model.
rule train_model:
    input:
        lambda wildcards: local_weights(MODEL_OF_FOLDER[wildcards.folder].pretrained),
        images=candidates(NATIVE),
    output:
        weights=ROOT / "models" / "{folder}" / "weights.safetensors",
        card=ROOT / "models" / "{folder}" / "card.json",
        history=ROOT / "models" / "{folder}" / "training.parquet",
    log:
        ROOT / "models" / "{folder}" / "train.log",
    benchmark:
        ROOT / "models" / "{folder}" / "train.tsv"
    wildcard_constraints:
        folder=folders(TRAINED),
    resources:
        gpu=GPU,
        mem_mb=8000,
        runtime=lambda wildcards: runtime(
            lambda costs: costs.training(MODEL_OF_FOLDER[wildcards.folder].name)
        ),
    params:
        recipe=lambda wildcards: dataclasses.asdict(MODEL_OF_FOLDER[wildcards.folder]),
        code=lambda wildcards: model_code(
            "stages.train", MODEL_OF_FOLDER[wildcards.folder].name
        ),
    message:
        "train {wildcards.folder}"
    script:
        "../scripts/train_model.py"


rule fetch_model:
    input:
        lambda wildcards: local_weights(MODEL_OF_FOLDER[wildcards.folder]),
    output:
        weights=ROOT / "models" / "{folder}" / "weights.safetensors",
        card=ROOT / "models" / "{folder}" / "card.json",
    log:
        ROOT / "models" / "{folder}" / "fetch.log",
    benchmark:
        ROOT / "models" / "{folder}" / "fetch.tsv"
    wildcard_constraints:
        folder=folders(PRETRAINED),
    params:
        recipe=lambda wildcards: dataclasses.asdict(MODEL_OF_FOLDER[wildcards.folder]),
        code=code("stages.fetch"),
    message:
        "get {wildcards.folder}"
    script:
        "../scripts/fetch_model.py"


# A defense that trains: weights of its own. Its base may be another defended model.
rule defend_model:
    input:
        weights=lambda wildcards: base_file(wildcards.folder, "weights.safetensors"),
        card=lambda wildcards: base_file(wildcards.folder, "card.json"),
        images=candidates(NATIVE),
    output:
        weights=ROOT / "models" / "{folder}" / "weights.safetensors",
        card=ROOT / "models" / "{folder}" / "card.json",
        history=ROOT / "models" / "{folder}" / "training.parquet",
    log:
        ROOT / "models" / "{folder}" / "defend.log",
    benchmark:
        ROOT / "models" / "{folder}" / "defend.tsv"
    wildcard_constraints:
        folder=folders(DEFENDED_BY_TRAINING),
    resources:
        gpu=GPU,
        mem_mb=8000,
        runtime=lambda wildcards: runtime(
            lambda costs: costs.training(MODEL_OF_FOLDER[wildcards.folder].name)
        ),
    params:
        recipe=lambda wildcards: dataclasses.asdict(MODEL_OF_FOLDER[wildcards.folder]),
        code=lambda wildcards: model_code(
            "stages.train", MODEL_OF_FOLDER[wildcards.folder].name
        ),
    message:
        "defend: {wildcards.folder}"
    script:
        "../scripts/defend_model.py"


# A defense that wraps: the weights of the model within.
rule wrap_model:
    input:
        weights=lambda wildcards: base_file(wildcards.folder, "weights.safetensors"),
        card=lambda wildcards: base_file(wildcards.folder, "card.json"),
    output:
        weights=ROOT / "models" / "{folder}" / "weights.safetensors",
        card=ROOT / "models" / "{folder}" / "card.json",
    log:
        ROOT / "models" / "{folder}" / "wrap.log",
    wildcard_constraints:
        folder=folders(WRAPPED),
    params:
        recipe=lambda wildcards: dataclasses.asdict(MODEL_OF_FOLDER[wildcards.folder]),
        code=code("stages.train"),
    message:
        "wrap: {wildcards.folder}"
    script:
        "../scripts/wrap_model.py"


rule predict:
    input:
        images=lambda wildcards: candidates(STUDY.view(wildcards.model)),
        weights=lambda wildcards: model_file(wildcards.model, "weights.safetensors"),
        card=lambda wildcards: model_file(wildcards.model, "card.json"),
    output:
        RESULTS / "predictions" / "{model}.parquet",
    log:
        RESULTS / "logs" / "predict" / "{model}.log",
    benchmark:
        RESULTS / "benchmarks" / "predict" / "{model}.tsv"
    resources:
        gpu=GPU,
        runtime=lambda wildcards: runtime(
            lambda costs: costs.prediction(wildcards.model)
        ),
    params:
        code=lambda wildcards: model_code("stages.predict", wildcards.model),
    message:
        "predict the clean test images with {wildcards.model}"
    script:
        "../scripts/predict.py"


# A target for each model by its name: snakemake lenet_xavier
for name in MODELS:

    rule:
        name:
            name
        input:
            model_file(name, "card.json"),

# prepare-data: the dataset, loaded once and cut into its splits; of pictures a list, and each view of them decoded once.
if set(VIEWS) == {NATIVE}:

    rule prepare_data:
        output:
            candidates(NATIVE),
        log:
            DATA / "prepare.log",
        params:
            options=STUDY.dataset.options(),
            code=code("stages.prepare", f"data.{DATASET.name}"),
        message:
            f"prepare the images of {DATASET.name}"
        script:
            "../scripts/prepare_data.py"

else:

    rule list_pictures:
        output:
            DATA / "pictures.parquet",
        log:
            DATA / "pictures.log",
        params:
            options=STUDY.dataset.options(),
            code=code("stages.pictures", "data.imagenet"),
        message:
            f"choose the pictures of {DATASET.name} and decode each once"
        script:
            "../scripts/list_pictures.py"

    rule decode_view:
        input:
            DATA / "pictures.parquet",
        output:
            DATA / "{view}.parquet",
        log:
            DATA / "{view}.log",
        params:
            view=lambda wildcards: dataclasses.asdict(VIEWS[wildcards.view]),
            code=code("stages.pictures"),
        message:
            f"decode the pictures of {DATASET.name} at {{wildcards.view}}"
        script:
            "../scripts/decode_view.py"

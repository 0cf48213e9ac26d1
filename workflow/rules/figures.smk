# plot: one job for each figure.
rule plot:
    input:
        lambda wildcards: [
            RESULTS / "tables" / f"{table}.parquet"
            for table in figure_of(wildcards.figure)[0].tables
        ],
    output:
        png=report(
            RESULTS / "figures" / "{figure}.png",
            caption="../report/figure.rst",
            category="Figures",
            labels={"figure": "{figure}"},
        ),
        svg=RESULTS / "figures" / "{figure}.svg",
    log:
        RESULTS / "logs" / "figures" / "{figure}.log",
    group:
        submitted_together("tables")
    resources:
        slot=1,
        runtime=5,
    params:
        name=lambda wildcards: wildcards.figure.partition("-")[0],
        attack=lambda wildcards: figure_of(wildcards.figure)[1],
        caption=lambda wildcards: figure_of(wildcards.figure)[0].caption(
            figure_of(wildcards.figure)[1]
        ),
        code=lambda wildcards: fingerprint(figure_of(wildcards.figure)[0].module),
    message:
        "draw {wildcards.figure}"
    script:
        "../scripts/plot.py"

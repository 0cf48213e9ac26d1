# plot: one job for each figure.
def figure_of(file):
    """Return the registry's figure and the attack, from a figure file's name."""
    name, _, attack = file.partition("-")
    return FIGURE_REGISTRY[name], attack or None


rule plot:
    input:
        lambda wildcards: [
            RESULTS / "tables" / f"{table}.parquet"
            for table in figure_of(wildcards.figure)[0].tables
        ],
    output:
        png=RESULTS / "figures" / "{figure}.png",
        svg=RESULTS / "figures" / "{figure}.svg",
    log:
        RESULTS / "logs" / "figures" / "{figure}.log",
    params:
        name=lambda wildcards: wildcards.figure.partition("-")[0],
        attack=lambda wildcards: figure_of(wildcards.figure)[1],
        code=lambda wildcards: fingerprint(figure_of(wildcards.figure)[0].module),
    message:
        "draw {wildcards.figure}"
    script:
        "../scripts/plot.py"

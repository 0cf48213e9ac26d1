# report: one page that shows all of the study, and its main tables as CSV.
rule write_report:
    input:
        tables=TABLES,
        figures=[RESULTS / "figures" / f"{name}.png" for name in STUDY.figure_names()],
        study=STUDY.path,
        page=[
            BASE / "src" / "advatlas" / "report" / name
            for name in ("template.html", "style.css", "page.js")
        ],
    output:
        report(
            RESULTS / "report.html",
            caption="../report/page.rst",
            category="The study",
            labels={"what": "page to explore"},
        ),
    log:
        RESULTS / "logs" / "report.log",
    group:
        submitted_together("tables")
    resources:
        slot=1,
        runtime=10,
    params:
        name=STUDY.name,
        paper=STUDY.paper,
        tables=TABLE_NAMES,
        captions=[
            figure_of(name)[0].caption(figure_of(name)[1])
            for name in STUDY.figure_names()
        ],
        base=BASE,
        evaluating=EVALUATOR_CODE,
        code=code("report.about"),
    message:
        "write the page of {STUDY.name}"
    script:
        "../scripts/write_report.py"


rule export_tables:
    input:
        [RESULTS / "tables" / f"{name}.parquet" for name in CSV_TABLES],
    output:
        [
            report(
                RESULTS / "csv" / f"{name}.csv",
                caption="../report/table.rst",
                category="Tables",
                labels={"table": name},
            )
            for name in CSV_TABLES
        ],
    log:
        RESULTS / "logs" / "csv.log",
    group:
        submitted_together("tables")
    resources:
        slot=1,
        runtime=5,
    params:
        code=code("storage.artifacts"),
    message:
        "write the main tables as CSV"
    script:
        "../scripts/export_tables.py"

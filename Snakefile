# Advatlas: validates config.yaml and the study, includes the rules, names the targets.
include: "workflow/rules/common.smk"


report: "workflow/report/study.rst"


# The pairs stand here too, so that one that was deleted is missed even where the tables are newer.
rule all:
    input:
        REPORT,
        TABLES,
        FIGURES,
        CSV,
        PAIRS,
        SUCCESSFUL,


rule tables:
    input:
        TABLES,
        PAIRS,


rule figures:
    input:
        FIGURES,


rule models:
    input:
        CARDS,


rule adversarials:
    input:
        ADVERSARIALS,


rule pairs:
    input:
        PAIRS,


include: "workflow/rules/data.smk"
include: "workflow/rules/models.smk"
include: "workflow/rules/selection.smk"
include: "workflow/rules/attacks.smk"
include: "workflow/rules/transfer.smk"
include: "workflow/rules/clever.smk"
include: "workflow/rules/defenses.smk"
include: "workflow/rules/tables.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/report.smk"


if workflow.remote_exec:

    localrules:
        evaluate_transfer,
        keep_successful,
        aggregate_models,
        aggregate_training,
        aggregate_attacks,
        aggregate_transfer,
        aggregate_cost,
        aggregate_classification,
        aggregate_prediction_times,
        aggregate_clever,
        analyse,
        plot,
        write_report,
        export_tables,


onstart:
    print_estimate()
    lift_job_rate_limit()


onsuccess:
    print_summary()


onerror:
    print_failures()

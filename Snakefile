# Advatlas: validates config.yaml and the study, includes the rules, names the targets.
include: "workflow/rules/common.smk"


rule all:
    input:
        TABLES,
        FIGURES,


rule tables:
    input:
        TABLES,


rule figures:
    input:
        FIGURES,


rule models:
    input:
        [model_file(name, "card.json") for name in MODELS],


include: "workflow/rules/data.smk"
include: "workflow/rules/models.smk"
include: "workflow/rules/selection.smk"
include: "workflow/rules/attacks.smk"
include: "workflow/rules/transfer.smk"
include: "workflow/rules/tables.smk"
include: "workflow/rules/figures.smk"


onsuccess:
    print_summary()

"""YAML files checked against a JSON schema, with messages of one line that name file, key and what is allowed."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from advatlas.errors import AdvatlasError, did_you_mean, one_of


class _UniqueKeys(yaml.SafeLoader):
    """YAML lets a later key silently replace an earlier one; here that is an error."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key '{key}' stands twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML mapping.

    Raises:
        AdvatlasError: the file is absent, not YAML, or not a mapping.
    """
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), _UniqueKeys)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else "?"
        raise AdvatlasError(f"{path}: line {line}: not valid YAML: {error.problem}") from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = " ".join(str(getattr(error, "strerror", None) or error).split())
        raise AdvatlasError(f"{path}: cannot be read: {reason}") from error
    if not isinstance(content, dict):
        raise AdvatlasError(f"{path}: expected a mapping of keys to values, found {_kind(content)}")
    return content


def check_schema(content: Any, schema_path: Path, where: str) -> None:
    """Check parsed YAML against a schema file.

    Args:
        where: the name of the checked file, for the message.

    Raises:
        AdvatlasError: the first mistake, in the order of the file.
    """
    schema = yaml.safe_load(schema_path.read_text(encoding="utf-8"))
    validator = jsonschema.Draft202012Validator(schema)
    errors = sorted(validator.iter_errors(content), key=lambda e: (len(e.absolute_path), str(e.json_path)))
    if errors:
        raise AdvatlasError(f"{where}: {_one_line(errors[0])}")


def key_path(parts: Iterable[object]) -> str:
    """Return a path such as ``attacks[2].epsilon``."""
    text = ""
    for part in parts:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def _kind(value: Any) -> str:
    if value is None:
        return "nothing"
    names = {
        dict: "a mapping",
        list: "a list",
        str: "text",
        bool: "true/false",
        int: "a whole number",
        float: "a number",
    }
    return f"{names.get(type(value), type(value).__name__)}" + (
        "" if isinstance(value, dict | list) else f" ({value!r})"
    )


def _one_line(error: jsonschema.ValidationError) -> str:
    if error.validator == "anyOf" and error.context:
        typed = [e for e in error.context if e.validator != "type" or e.absolute_path != error.absolute_path]
        if typed:
            return _one_line(typed[0])
    here = key_path(error.absolute_path)
    prefix = f"{here}: " if here else ""
    rule, value = error.validator, error.instance
    wanted: Any = error.validator_value
    schema: Any = error.schema
    content: Any = value
    if rule == "additionalProperties":
        allowed = list(schema["properties"])
        extra = next(key for key in content if key not in allowed)
        return f"{prefix}unknown key '{extra}'; allowed: {one_of(allowed)}{did_you_mean(extra, allowed)}"
    if rule == "required":
        absent = next(key for key in wanted if key not in content)
        return f"{prefix}the key '{absent}' is missing; required: {one_of(wanted)}"
    if rule == "enum":
        return f"{prefix}{value!r} is not one of: {one_of(wanted)}{did_you_mean(value, wanted)}"
    if rule == "type" or (rule == "anyOf" and error.context):
        kinds = [wanted] if isinstance(wanted, str) else wanted
        if rule == "anyOf":
            kinds = [str(e.validator_value) for e in error.context or []]
        words = {"object": "a mapping", "array": "a list", "string": "text", "integer": "a whole number",
                 "number": "a number", "boolean": "true or false", "null": "null"}  # fmt: skip
        return f"{prefix}expected {' or '.join(words[str(k)] for k in kinds)}, found {_kind(value)}"
    bounds = {
        "minimum": f"must be at least {wanted}",
        "maximum": f"must be at most {wanted}",
        "exclusiveMinimum": f"must be more than {wanted}",
        "exclusiveMaximum": f"must be less than {wanted}",
        "minItems": "the list is empty",
        "minLength": "the text is empty",
        "uniqueItems": "an entry stands twice",
        "pattern": "may hold lower-case letters, digits, '_' and '.' only",
    }
    shown = "" if rule in ("minItems", "minLength", "uniqueItems") else f"{value!r} "
    return f"{prefix}{shown}{bounds.get(str(rule), error.message)}"

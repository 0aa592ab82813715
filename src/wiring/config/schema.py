"""The JSON schema of a scale file, by which editors complete and check it as it is written."""

from __future__ import annotations

import json
import re
from typing import Any

from wiring.config.scale import ScaleConfig


def scale_schema() -> str:
    """The schema as indented JSON, from the models and their docstrings.

    It says less than they do: what several fields must satisfy together `wiring validate` says.
    """
    schema = _described(ScaleConfig.model_json_schema())
    layer = {**schema["properties"]["defaults"]}
    layer.pop("description", None)
    schema = _replaced(schema, layer, {"$ref": "#/$defs/Settings"})
    schema["properties"]["defaults"] = {
        "$ref": "#/$defs/Settings",
        "description": schema["properties"]["defaults"]["description"],
    }
    schema["$defs"]["Settings"] = layer
    dialect = "https://json-schema.org/draft/2020-12/schema"
    return json.dumps({"$schema": dialect, **schema}, indent=1) + "\n"


def _described(node: Any) -> Any:
    """Give each field its line of the docstring; drop titles and defaults that are sections."""
    if isinstance(node, list):
        return [_described(item) for item in node]
    if not isinstance(node, dict):
        return node
    node = {
        key: _described(value)
        for key, value in node.items()
        if not (key == "title" and isinstance(value, str))
        and not (key == "default" and isinstance(value, dict))
    }
    if isinstance(node.get("description"), str) and "properties" in node:
        text, _, attributes = node["description"].partition("\n\nAttributes:\n")
        node["description"] = " ".join(text.split())
        for name, said in re.findall(r"^ {4}(\w+): (.*(?:\n {8}.*)*)", attributes, re.MULTILINE):
            if name in node["properties"]:
                node["properties"][name]["description"] = " ".join(said.split())
    return node


def _replaced(node: Any, what: Any, by: Any) -> Any:
    if node == what:
        return by
    if isinstance(node, list):
        return [_replaced(item, what, by) for item in node]
    if isinstance(node, dict):
        return {key: _replaced(value, what, by) for key, value in node.items()}
    return node

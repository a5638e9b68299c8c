"""Checks an OpenAPI document, and answers against it, with openapi-spec-validator and openapi-schema-validator.

Standard input: {"document": ..., "answers": [{"target": ..., "schema": ..., "content": ...}]}. Standard output: the
faults, as a JSON array of texts.
"""

import json
import sys

from openapi_schema_validator import OAS31Validator, oas31_format_checker
from openapi_spec_validator import OpenAPIV31SpecValidator

given = json.load(sys.stdin)
document = given["document"]
faults = [f"document: {error.message}" for error in OpenAPIV31SpecValidator(document).iter_errors()]
for answer in given["answers"]:
    # References begin at the root of a document.
    schema = {**answer["schema"], "components": document["components"]}
    validator = OAS31Validator(schema, format_checker=oas31_format_checker)
    faults += [f"{answer['target']}: {error.message}" for error in validator.iter_errors(answer["content"])]
json.dump(faults, sys.stdout)

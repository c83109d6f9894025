"""Decision rules: DMN documents read, compared by what they decide, edited byte by byte, and put into words."""

from dure.apps.knowledge.dmn.canonical import (
    Condition,
    Outcome,
    conditions,
    content,
    document_fingerprint,
    fingerprint,
    outcomes,
    table_fingerprint,
)
from dure.apps.knowledge.dmn.comparing import Duplicate, Finding, Ground, Report, report
from dure.apps.knowledge.dmn.copies import Copy
from dure.apps.knowledge.dmn.editing import with_rule, without_rule
from dure.apps.knowledge.dmn.feel import parse
from dure.apps.knowledge.dmn.model import Aggregation, Decision, Document, HitPolicy, Input, Output, Rule, Table
from dure.apps.knowledge.dmn.reading import read
from dure.apps.knowledge.dmn.relating import Related, Relation, relate
from dure.apps.knowledge.dmn.rows import Place
from dure.apps.knowledge.dmn.tree import RulesError, Unchangeable, Unreadable
from dure.apps.knowledge.dmn.values import Values
from dure.apps.knowledge.dmn.wording import describe, sentence
from dure.apps.knowledge.dmn.writing import if_then, new_document

__all__ = [
    "Aggregation",
    "Condition",
    "Copy",
    "Decision",
    "Document",
    "Duplicate",
    "Finding",
    "Ground",
    "HitPolicy",
    "Input",
    "Outcome",
    "Output",
    "Place",
    "Related",
    "Relation",
    "Report",
    "Rule",
    "RulesError",
    "Table",
    "Unchangeable",
    "Unreadable",
    "Values",
    "conditions",
    "content",
    "describe",
    "document_fingerprint",
    "fingerprint",
    "if_then",
    "new_document",
    "outcomes",
    "parse",
    "read",
    "relate",
    "report",
    "sentence",
    "table_fingerprint",
    "with_rule",
    "without_rule",
]

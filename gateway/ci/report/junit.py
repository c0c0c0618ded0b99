"""JUnit XML: a test case for each finding, an error for what could not be read or decided."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

from gateway.ci.report.words import place, placed, resource
from gateway.ci.run import Run
from gateway.core.finding import Action, Finding

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def report(run: Run) -> str:
    """One test suite; a run that finds nothing has one case that passed."""
    cases = [_finding(finding) for finding in run.findings]
    cases += [_error(d.rule, d.resource, place(d.location), f"{d.resource}: {d.reason}") for d in run.doubts]
    cases += [_error("input", problem.path, problem.path, str(problem)) for problem in run.problems]
    if not cases:
        cases = [ET.Element("testcase", classname="govgate", name=f"{run.summary.judged} objects")]
    suite = ET.Element(
        "testsuite",
        name="govgate check",
        tests=str(len(cases)),
        failures=str(sum(case.find("failure") is not None for case in cases)),
        errors=str(sum(case.find("error") is not None for case in cases)),
        skipped=str(sum(case.find("skipped") is not None for case in cases)),
    )
    suite.extend(cases)
    ET.indent(suite)
    return ET.tostring(suite, encoding="unicode", xml_declaration=False) + "\n"


def _finding(finding: Finding) -> ET.Element:
    case = _case(finding.rule, f"{resource(finding.resource)} {finding.field}".strip(), place(finding.location))
    if finding.exception:
        ET.SubElement(case, "skipped", message=_clean(f"excepted by {finding.exception}"))
    elif finding.action is Action.DENY:
        failure = ET.SubElement(case, "failure", message=_clean(finding.message), type=finding.severity.value)
        failure.text = _clean(placed(finding.location, f"{finding.message}\n{finding.remedy}".strip()))
    else:
        ET.SubElement(case, "system-out").text = _clean(f"{finding.action.value}: {finding.message}")
    return case


def _error(rule: str, name: str, where: str, text: str) -> ET.Element:
    case = _case(rule, name, where)
    ET.SubElement(case, "error", message=_clean(text))
    return case


def _case(rule: str, name: str, where: str) -> ET.Element:
    file = {"file": _clean(where.rpartition(":")[0] or where)} if where else {}
    return ET.Element("testcase", classname=_clean(rule), name=_clean(name), attrib=file)


def _clean(text: str) -> str:
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)

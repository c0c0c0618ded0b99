"""Kargo promotes in Applications that authorize one of its stages, and does nothing else there."""

from __future__ import annotations

from typing import Any

import pytest
from support.reviews import (
    HUMAN,
    KUSTOMIZE,
    LABEL_FIELDS,
    broken,
    changed,
    entry,
    judged,
    managed_object,
    subject,
)

from gateway.config.drift import Actors, Drift
from gateway.config.reconcilers import Kargo
from gateway.core.subject import GroupVersionKind, UserInfo

APPLICATION = GroupVersionKind("argoproj.io", "v1alpha1", "Application")
KARGO = UserInfo(username="system:serviceaccount:kargo:kargo-controller")
STAGE = "kargo.akuity.io/authorized-stage"
SOURCE = {
    "repoURL": "https://git.example.com/shop",
    "targetRevision": "v1",
    "path": "deploy",
    "kustomize": {"images": ["shop:1"], "namePrefix": "a-"},
    "helm": {"parameters": [{"name": "image.tag", "value": "1"}], "releaseName": "shop"},
}
LEAVES = {
    "f:repoURL": {}, "f:targetRevision": {}, "f:path": {},
    "f:kustomize": {"f:images": {}, "f:namePrefix": {}},
    "f:helm": {"f:parameters": {}, "f:releaseName": {}},
}  # fmt: skip


def application(shape: Any, source: dict | None = None, *, stage: Any = "shop:prod", many: bool = False) -> dict:
    """An Application that Flux declares: ``shape`` is how deep its source is owned."""
    fields = {"f:metadata": LABEL_FIELDS, "f:spec": {"f:sources" if many else "f:source": shape, "f:project": {}}}
    own = entry("kustomize-controller", fields, version=APPLICATION.api_version)
    one = source or SOURCE
    spec: dict[str, Any] = {"project": "shop", **({"sources": [one, SOURCE]} if many else {"source": one})}
    marks = {} if stage is None else {STAGE: stage}
    return managed_object(spec, own, kind=APPLICATION, annotations=marks)


def promote(old: dict, source: dict, user: UserInfo = KARGO, config: Drift | None = None, **more: Any) -> bool:
    """Whether a change of the first source to this one passes."""
    new = changed(old)
    spec = new["spec"]
    if "sources" in spec:
        spec["sources"] = [source, *spec["sources"][1:]]
    else:
        spec["source"] = source
    spec.update(more)
    return broken(judged(subject("UPDATE", old=old, new=new, user=user, kind=APPLICATION), None, config)) == {}


PROMOTIONS = [
    {**SOURCE, "targetRevision": "v2"},
    {**SOURCE, "kustomize": {"images": ["shop:2", "other:1"], "namePrefix": "a-"}},
    {**SOURCE, "helm": {"parameters": [{"name": "image.tag", "value": "2"}], "releaseName": "shop"}},
]
OTHERS = [
    {**SOURCE, "repoURL": "https://evil.example.com/shop"},
    {**SOURCE, "path": "other"},
    {**SOURCE, "kustomize": {"images": ["shop:2"], "namePrefix": "b-"}},
    {**SOURCE, "helm": {"parameters": [], "releaseName": "other"}},
    {**SOURCE, "targetRevision": "v2", "path": "other"},
    {},
]
SHAPES = [(LEAVES, False), ({}, False), ({}, True)]


@pytest.mark.parametrize(("shape", "many"), SHAPES, ids=["leaves", "whole", "sources"])
@pytest.mark.parametrize("source", PROMOTIONS, ids=["revision", "images", "parameters"])
def test_kargo_promotes(shape: Any, many: bool, source: dict) -> None:
    """A revision, images, parameters: wherever in the source the declaration ends, and in one of several sources."""
    old = application(shape, many=many)
    assert promote(old, source)
    assert promote(old, source, KUSTOMIZE)
    assert not promote(old, source, HUMAN)
    assert not promote(old, source, UserInfo(username="system:serviceaccount:other:kargo-controller"))
    assert not promote(old, source, config=Drift(kargo=Kargo(actors=Actors())))


@pytest.mark.parametrize(("shape", "many"), SHAPES, ids=["leaves", "whole", "sources"])
@pytest.mark.parametrize("source", OTHERS)
def test_kargo_does_nothing_else(shape: Any, many: bool, source: dict) -> None:
    """Another repository, path or name is no promotion, and none is hidden behind one."""
    assert not promote(application(shape, many=many), source)


def test_kargo_adds_its_options_where_there_were_none() -> None:
    """The first promotion of images makes the section for them, which Git does not declare."""
    plain = {"repoURL": "r", "targetRevision": "v1"}
    for shape, many in (({}, False), ({}, True)):
        assert promote(application(shape, plain, many=many), {**plain, "kustomize": {"images": ["a:1"]}})
        assert promote(application(shape, plain, many=many), {**plain, "helm": {"parameters": []}})


def test_kargo_takes_nothing_away() -> None:
    """It sets a revision; it never removes one."""
    assert not promote(application(LEAVES), {name: value for name, value in SOURCE.items() if name != "targetRevision"})


@pytest.mark.parametrize("stage", [None, "", "shop", "shop:*", "*:prod", ":prod", "shop:", 1])
def test_an_application_authorizes_a_stage(stage: Any) -> None:
    """Without the annotation, or with one that Kargo itself refuses, Kargo is anybody."""
    assert not promote(application(LEAVES, stage=stage), PROMOTIONS[0])


def test_an_authorization_must_have_stood_before() -> None:
    """Kargo cannot bring it along."""
    old = application(LEAVES, stage=None)
    new = changed(old, {"metadata": {"annotations": {STAGE: "shop:prod"}}, "spec": {"source": PROMOTIONS[0]}})
    asked = subject("UPDATE", old=old, new=new, user=KARGO, kind=APPLICATION)
    assert broken(judged(asked)) == {"spec.source.targetRevision": "drift/owned-field"}


def test_the_number_of_sources_stays() -> None:
    """Nor does a promotion touch the rest of the Application, or another kind."""
    old = application({}, many=True)
    for sources in ([SOURCE], [SOURCE, SOURCE, SOURCE], "x", [SOURCE, 1]):
        assert not promote(old, SOURCE, sources=sources)
    assert not promote(application(LEAVES), PROMOTIONS[0], project="other")
    asked = subject("UPDATE", old=old, new=changed(old, {"spec": {"sources": [PROMOTIONS[0], SOURCE]}}), user=KARGO)
    assert broken(judged(asked)) != {}
    assert broken(judged(subject("DELETE", old=old, user=KARGO, kind=APPLICATION))) == {"": "drift/deleted"}

"""The leases that Secrets note: kept alive while they are in use, ended some time after they are replaced."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from gateway.controllers.external.endings import Endings
from gateway.controllers.external.held import SECRETS, Json
from gateway.controllers.external.lease_book import LOOK_SECONDS, LeaseBook
from gateway.controllers.external.lease_times import (
    LATEST_AGAIN_SECONDS,
    anew_at,
    end_at,
    pause,
    times_of,
    to_come,
)
from gateway.controllers.external.sessions import Sessions
from gateway.controllers.external.telling import Notices
from gateway.core.errors import AuditError
from gateway.kube import KubeClient
from gateway.kube.discovery import Pace
from gateway_secrets.external.errors import SpecError
from gateway_secrets.external.made import Made, Note, Replaced, note_in, note_name, note_of, ref_of
from gateway_secrets.external.record import annotations_of
from gateway_secrets.external.spec import ExternalSecret
from gateway_secrets.stores.errors import ForbiddenError, NotFoundError, StoreError
from gateway_secrets.stores.vault_dynamic import VaultDynamic


class Tended(msgspec.Struct, frozen=True):
    """After leases were renewed, and ended: what is good, and the Secret. In seconds since the epoch: when another one is to be
    made, when this is looked at again, and when it is at the latest where what was due could not be done (``to_come``).
    """

    note: Note
    present: Json | None
    replaced_at: float | None
    next_at: float | None
    to_come: float | None

    @property
    def made(self) -> tuple[Made, ...]:
        """What the Secret holds that is good."""
        return self.note.made


class Tending:
    """What is done about the leases of ``book``. ``key``: of marks; ``least_refresh``: seconds between two refreshes; ``now``: the
    clock, seconds since the epoch.
    """

    def __init__(
        self,
        client: KubeClient,
        pace: Pace,
        sessions: Sessions,
        book: LeaseBook,
        endings: Endings,
        *,
        notices: Notices,
        key: bytes,
        least_refresh: float,
        now: Callable[[], float],
    ) -> None:
        self._client = client
        self._pace = pace
        self._sessions = sessions
        self._book = book
        self._endings = endings
        self._notices = notices
        self._key = key
        self._least_refresh = least_refresh
        self._now = now

    async def tend(self, external: ExternalSecret, present: Json | None) -> Tended:
        """Renew the leases that are due, end those that were replaced long enough ago, and note it on the Secret. What is no good
        any more is left out.

        Raises:
            ClusterError: the Secret could not be written.
        """
        now, spec, least = self._now(), external.spec, self._least_refresh
        noted = note_in(present, external, self._key)
        self._book.seen(external.uid, noted)
        kept = [await self._kept_good(external, one, now) for one in noted.made]
        replaced = [one for one in noted.replaced if not await self._over(external, one, now)]
        good = Note(tuple(one for one in kept if one is not None), tuple(replaced))
        times = times_of(spec, good, self._book, now, least)
        # Where all is lost the note stays as it is until something takes its place.
        note = good if good.made else msgspec.structs.replace(good, made=noted.made)
        if note != noted and present is not None:
            present = await self._rewritten(external, present, note)
        self._book.seen(external.uid, good)
        anew = anew_at(spec, noted.made, good.made, now, least)
        return Tended(good, present, anew, min(times, default=None), to_come(times, now))

    async def _kept_good(self, external: ExternalSecret, made: Made, now: float) -> Made | None:
        """With its lease renewed, if that is due; None: it is no good any more, and there is to be another one."""
        if made.lease is None or (made.lease.ends <= now and not made.lease.renewable):
            return made
        if self._book.is_lost(external.uid, made.lease.id):
            return None
        due = made.renewed_at()
        renews = due is not None and due <= now
        if not renews and self._book.look_at(made.lease.id) > now:
            return made
        self._book.looked(made.lease.id, now)
        return await self._asked(external, made, renews=renews)

    async def _asked(self, external: ExternalSecret, made: Made, *, renews: bool) -> Made | None:
        """After its lease was renewed, or asked after: with it as it is now, or as it was: it is tried again."""
        assert made.lease is not None  # noqa: S101 - it has one
        same = False
        try:
            source, same = await self._source(external, made)
            if renews:
                return msgspec.structs.replace(made, lease=await source.renew(made.lease))
            await source.look(made.lease)
        except NotFoundError as error:
            if same:
                return await self._gone(external, made, str(error))
            problem = str(error)
        except (StoreError, SpecError) as error:
            problem = str(error)
            if not renews:
                # Whoever may not ask finds out when it is renewed: no reason to log in anew.
                again = LOOK_SECONDS if isinstance(error, ForbiddenError) else LATEST_AGAIN_SECONDS
                self._book.looked(made.lease.id, self._now() + again - LOOK_SECONDS)
            elif isinstance(error, StoreError):
                await self._sessions.failed((external.namespace, made.generator, made.revision), error)
        else:
            return made
        if not renews:
            return made
        if self._now() < made.lease.ends:
            self._endings.tell(external, made.generator, f"is not renewed yet: {problem}")
            return made
        self._endings.tell(external, made.generator, f"is not renewed: {problem}")
        return msgspec.structs.replace(made, lease=msgspec.structs.replace(made.lease, renewable=False))

    async def _source(self, external: ExternalSecret, made: Made) -> tuple[VaultDynamic, bool]:
        """What made something, and whether it is still the same: a generator that has changed may ask another server."""
        source = self._sessions.known(external.namespace, made.generator, made.revision)
        if source is not None:
            return source, True
        generator = await self._sessions.find(ref_of(made.generator), external.namespace)
        return await self._sessions.source(generator), generator.revision == made.revision

    async def _gone(self, external: ExternalSecret, made: Made, problem: str) -> Made | None:
        """What becomes of something whose lease is no more: another takes its place, or it is noted that it has ended."""
        assert made.lease is not None  # noqa: S101 - it had one
        self._endings.tell(external, made.generator, f"is no good any more: {problem}")
        if made.replaced_at(external.spec, self._least_refresh) is None:
            now = min(made.lease.ends, self._now())
            return msgspec.structs.replace(made, lease=msgspec.structs.replace(made.lease, renewable=False, ends=now))
        self._book.lose(external.uid, made.lease.id)
        name = made.generator.replace("/", " ")
        message = f"what {name} made is no good any more, and another one is made: {problem}"
        await self._notices.say(external, "LeaseLost", message)
        return None

    async def _over(self, external: ExternalSecret, one: Replaced, now: float) -> bool:
        """Whether what was replaced is ended, by its own end or, if that is due, here and now."""
        if one.lease.ends > now:
            if end_at(one, self._book) > now:
                return False
            try:
                done = await self._endings.try_once(external, one)
            except AuditError as error:
                self._endings.tell(external, one.generator, f"is not ended yet: {error}")
                done = False
            if not done:
                self._book.tried(one.lease.id, now + pause(one.lease, now))
                return False
        self._book.ended(external.uid, one.lease.id)
        return True

    async def _rewritten(self, external: ExternalSecret, present: Json, note: Note) -> Json:
        notes = dict(annotations_of(present))
        text = note_of(note, external, self._key)
        notes.pop(note_name(external), None)
        notes |= {note_name(external): text} if text else {}
        document = present | {"metadata": present["metadata"] | {"annotations": notes}}
        await self._pace()
        path = SECRETS.path("v1", external.namespace, external.target_name)
        found = await self._client.replace(path, document)
        found["metadata"].pop("managedFields", None)
        return found | {"apiVersion": "v1", "kind": "Secret"}

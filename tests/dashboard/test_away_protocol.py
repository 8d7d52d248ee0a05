"""Nothing is lost and nothing comes twice: people with several tabs, on a real server, in any order of events.

The machine plays browsers and servers: pages open, hide, show again and crash; what they say of what they showed is
delayed, repeated, lost or forged; the dashboard's server is killed, and the streams are trimmed. It keeps the truth on
the side: which entries were really on a screen, paged through, or marked as seen.
"""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from redis.asyncio import Redis

from connectors.places import Place
from connectors.redis_client import connect_async
from connectors.seen import SeenStore
from connectors.settings import Keys
from connectors.stream_extents import extents_of
from connectors.stretch_reading import Page, page_within, up_to
from connectors.stretches import EntryId, Stretch, Stretches, union
from dashboard.away.shown import Sent, told_stretches

NAME = "ann"
Entry = tuple[str, EntryId]
tabs = st.integers(0, 1)


class Tab:
    """A browser's page, with what the server keeps for it."""

    def __init__(self, sent: Sent, positions: dict[str, EntryId], missed: dict[str, Stretches]) -> None:
        self.sent = sent  # the server's
        self.began = dict(positions)
        self.at = positions  # up to which the page has got everything
        self.visible = True
        self.shown: dict[str, Stretches] = {}
        self.claims: list[Any] = []  # said, not yet heard
        self.hidden_news = False
        self.notice(missed)

    def notice(self, missed: dict[str, Stretches]) -> None:
        self.missed = missed
        self.place: Place | None = None
        self.paged: Counter[Entry] = Counter()


class Watching(RuleBasedStateMachine):
    url = ""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.client: Redis = connect_async(self.url)
        self.keys = Keys(f"test-{uuid.uuid4().hex[:12]}", 2)
        self.streams = self.keys.changes
        self.store = SeenStore(self.client, self.keys)
        self.tabs: dict[int, Tab] = {}
        self.clock = 0
        self.written: list[Entry] = []
        self.there: set[Entry] = set()
        self.looked_at: set[Entry] = set()  # really on a screen, paged, or marked
        self.sent_to_forger: set[Entry] = set()
        self.confirmed: set[Entry] = set()  # the server was told so and said yes

    def do(self, what: Any) -> Any:
        return self.loop.run_until_complete(what)

    @initialize(tab=tabs, before=st.integers(0, 3))
    def first_visit(self, tab: int, before: int) -> None:
        """What was written before anybody came is nobody's to miss."""
        for n in range(before):
            self.write(n % 2)
        self.opens(tab)
        assert not any(self.tabs[tab].missed.values())
        self.written.clear()

    @rule(stream=st.integers(0, 1), count=st.integers(1, 4))
    def writes(self, stream: int, count: int) -> None:
        for _ in range(count):
            self.write(stream)

    def write(self, stream: int) -> None:
        self.clock += 1
        entry = (self.streams[stream], (self.clock // 3 + 1, self.clock % 3))
        self.do(self.client.xadd(entry[0], {"n": self.clock}, id=f"{entry[1][0]}-{entry[1][1]}"))
        self.written.append(entry)
        self.there.add(entry)

    @rule(stream=st.integers(0, 1), left=st.integers(0, 5))
    def trims(self, stream: int, left: int) -> None:
        name = self.streams[stream]
        self.do(self.client.xtrim(name, maxlen=left, approximate=False))
        kept = sorted(entry for entry in self.there if entry[0] == name)
        self.there -= set(kept[: len(kept) - left])

    @rule(tab=tabs)
    def opens(self, tab: int) -> None:
        """A page is opened, or loaded again; nothing is left of the one before."""
        ends = self.do(extents_of(self.client, self.streams))
        sent = Sent(self.streams)
        positions = {stream: extent.last for stream, extent in ends.items()}
        sent.sent(positions)
        seen = self.do(self.store.begin(NAME, ends))
        self.tabs[tab] = Tab(sent, positions, {s: seen[s].missed(positions[s]) for s in self.streams})

    @rule(tab=tabs)
    def crashes(self, tab: int) -> None:
        self.tabs.pop(tab, None)

    @rule()
    def server_is_killed(self) -> None:
        """Pages stay on their screens; what the server knew of them is gone."""
        for tab in self.tabs.values():
            tab.sent = Sent(self.streams)

    @rule(tab=tabs)
    def news_come(self, tab: int) -> None:
        page = self.tabs.get(tab)
        if page is None:
            return
        positions = {stream: extent.last for stream, extent in self.do(extents_of(self.client, self.streams)).items()}
        page.sent.sent(positions)
        for stream, upto in positions.items():
            stretch = stretch_of(page.at[stream], upto)
            if page.visible and not page.hidden_news:
                page.shown[stream] = union((*page.shown.get(stream, ()), *stretch))
                self.looked_at |= self.within({stream: stretch})
            elif stretch:
                page.hidden_news = True
            page.at[stream] = upto

    @rule(tab=tabs, stream=st.integers(0, 1))
    def page_is_watched(self, tab: int, stream: int) -> None:
        """As it is most of the time."""
        self.write(stream)
        self.news_come(tab)
        self.page_says_what_it_showed(tab)
        self.server_hears(tab, again=False, which=0)

    @rule(tab=tabs)
    def page_hides(self, tab: int) -> None:
        if page := self.tabs.get(tab):
            page.visible = False

    @rule(tab=tabs)
    def page_is_looked_at_again(self, tab: int) -> None:
        """What came meanwhile is told by a notice, up to where the page has got by now."""
        page = self.tabs.get(tab)
        if page is None:
            return
        page.visible = True
        if page.hidden_news:
            page.hidden_news = False
            seen = self.do(self.store.begin(NAME, self.do(extents_of(self.client, self.streams))))
            page.notice({s: seen[s].missed(page.at[s]) for s in self.streams})

    @rule(tab=tabs)
    def page_says_what_it_showed(self, tab: int) -> None:
        page = self.tabs.get(tab)
        if page is not None and page.shown:
            page.claims.append(told_stretches(page.shown, self.streams))
            page.shown = {}

    @rule(tab=tabs, again=st.booleans(), which=st.integers(0, 5))
    def server_hears(self, tab: int, again: bool, which: int) -> None:
        page = self.tabs.get(tab)
        if page is None or not page.claims:
            return
        claim = page.claims[which % len(page.claims)]
        if not again:
            page.claims.remove(claim)
        self.take(page.sent.believed(claim))

    @rule(tab=tabs, after=st.integers(0, 30), upto=st.integers(0, 1 << 60))
    def somebody_forges(self, tab: int, after: int, upto: int) -> None:
        page = self.tabs.get(tab)
        if page is None:
            return
        believed = page.sent.believed({str(n): [[f"{after}-0", f"{upto}-0"]] for n in range(2)})
        self.sent_to_forger |= self.within({s: stretch_of(page.began[s], page.at[s]) for s in self.streams})
        self.take(believed)

    @rule(tab=tabs, count=st.integers(1, 4), heard=st.booleans())
    def pages_through(self, tab: int, count: int, heard: bool) -> None:
        page = self.tabs.get(tab)
        if page is None:
            return
        found: Page = self.do(page_within(self.client, page.missed, page.place, count))
        given: set[Entry] = {(self.streams[e.place.stream], (e.place.ms, e.place.seq)) for e in found.entries}
        page.paged.update(given)
        assert max(page.paged.values(), default=1) == 1
        assert given <= self.within(page.missed)
        assert not found.more or len(found.entries) == count
        self.looked_at |= given
        if found.place is not None:
            page.place = found.place
            if heard:
                self.take(up_to(page.missed, found.place), gone=True)
        if not found.more:
            assert set(page.paged) >= self.within(page.missed) & self.there

    @rule(tab=tabs, heard=st.booleans())
    def marks_as_seen(self, tab: int, heard: bool) -> None:
        page = self.tabs.get(tab)
        if page is not None:
            self.looked_at |= self.within(page.missed)
            if heard:
                self.take(page.missed)

    def take(self, stretches: dict[str, Stretches], *, gone: bool = False) -> None:
        """The server keeps it; `gone`: what was trimmed before it could be given counts as told."""
        self.do(self.store.add(NAME, stretches))
        self.confirmed |= self.within(stretches)
        if gone:
            self.looked_at |= self.within(stretches) - self.there

    def within(self, stretches: dict[str, Stretches]) -> set[Entry]:
        return {e for e in self.written if any(e[1] in stretch for stretch in stretches.get(e[0], ()))}

    @invariant()
    def none_is_lost_and_none_comes_twice(self) -> None:
        if not self.written:
            return
        ends = self.do(extents_of(self.client, self.streams))
        seen = self.do(self.store.begin(NAME, ends))
        missed = self.within({s: seen[s].missed(ends[s].last) for s in self.streams})
        everything = set(self.written)
        assert everything - missed <= self.looked_at | self.sent_to_forger, "lost: seen by nobody, and not missed"
        assert not missed & self.confirmed, "comes twice: it was confirmed as seen, and is missed again"

    def teardown(self) -> None:
        self.do(self.client.delete(*self.streams, self.keys.of_user(NAME, "seen")))
        self.do(self.client.aclose())
        self.loop.close()


def stretch_of(after: EntryId, upto: EntryId) -> Stretches:
    return union([Stretch(after, upto)])


def test_none_is_lost_and_none_comes_twice(redis_url: str) -> None:
    class Here(Watching):
        url = redis_url

    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        Here,
        settings=settings(
            max_examples=150, stateful_step_count=50, deadline=None, suppress_health_check=[HealthCheck.too_slow]
        ),
    )

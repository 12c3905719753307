"""Calls the workshop in the machine over a serial line, by unmodified pycapnp. Arguments: the schema, the line's socket."""

import asyncio
import sys

try:
    import capnp
except ImportError as missing:
    sys.exit(f"pycapnp cannot be used ({missing}): run `make setup`")

schema, line = sys.argv[1:]
workshop = capnp.load(schema)


class Own(workshop.Counter.Server):
    """A counter on this side."""

    value = 0

    async def add(self, amount, **_):
        self.value += amount
        return self.value


def equal(what, found, wanted):
    if found != wanted:
        sys.exit(f"{what}: {found!r} instead of {wanted!r}")


async def counters(shop, wanted):
    """Waits until so many counters exist; who started this program bounds the time."""
    while (await shop.counters()).alive != wanted:
        await asyncio.sleep(0.05)


async def main():
    stream = await capnp.AsyncIoStream.create_unix_connection(path=line)
    shop = capnp.TwoPartyClient(stream).bootstrap().cast_as(workshop.Workshop)
    equal("a call", (await shop.repeat(text="ab", times=3)).text, "ababab")
    equal("an answer longer than one write", (await shop.repeat(text="x" * 50, times=40)).text, "x" * 2000)

    opened = shop.open(start=40)
    equal("a call on a promise", (await opened.counter.add(amount=2)).value, 42)
    counter = (await opened).counter
    equal("a call on what was received", (await counter.add(amount=8)).value, 50)
    await counters(shop, 1)
    del opened, counter
    await counters(shop, 0)

    promised = shop.open(start=10).counter
    equal("a promise as a parameter", (await shop.use(counter=promised, times=2)).value, 12)
    del promised
    await counters(shop, 0)

    equal("calls in the other direction", (await shop.use(counter=Own(), times=5)).value, 5)
    try:
        await shop.fail(message="on purpose")
        sys.exit("a failing call did not fail")
    except capnp.KjException as failure:
        equal("a failure's text and side", "server: on purpose" in failure.description, True)
    print("complete")


asyncio.run(capnp.run(main()))

"""A second rating of random order histories, in another language and by another algorithm.

Reads one history as JSON from each line of standard input and writes, for each, the invoice lines as a JSON list of
[schedule, period begin, sku, line, instance or null, minor units]. It knows no records and no sealed days: hours are
lengths of interval intersections as `fractions.Fraction`, months come from `datetime`, and rounding is written anew.
"""

import json
import sys
from datetime import datetime, timedelta, timezone
from fractions import Fraction

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
HOUR = 3_600_000
MICROS_PER_MINOR = 10_000


def instant(ms):
    return EPOCH + timedelta(milliseconds=ms)


def millis(moment):
    return (moment - EPOCH) // timedelta(milliseconds=1)


def half_up(number):
    """The nearest integer; halves away from zero."""
    doubled = abs(number) * 2 + 1
    magnitude = doubled.numerator // (doubled.denominator * 2)
    return -magnitude if number < 0 else magnitude


def month_after(moment):
    year, month = divmod(moment.year * 12 + moment.month, 12)
    return moment.replace(year=year, month=month + 1, day=1, hour=0, minute=0, second=0, microsecond=0)


def period_of(cadence, ms):
    """Begin and end of the period in which a moment lies."""
    midnight = instant(ms).replace(hour=0, minute=0, second=0, microsecond=0)
    if cadence == "daily":
        return millis(midnight), millis(midnight + timedelta(days=1))
    if cadence == "weekly":
        monday = midnight - timedelta(days=midnight.weekday())
        return millis(monday), millis(monday + timedelta(days=7))
    first = midnight.replace(day=1)
    return millis(first), millis(month_after(first))


def periods(history, cadence):
    starts = [line["from"] for line in history["lines"]]
    starts += [i["intervals"][0]["from"] for i in history["instances"] if i["intervals"]]
    end = history["ended"] if history["ended"] is not None else float("inf")
    at = min(starts)
    while at < end:
        begin, at = period_of(cadence, at)
        if at > history["through"]:
            return
        yield begin, at


def overlap(a_from, a_to, b_from, b_to):
    return max(0, min(a_to, b_to) - max(a_from, b_from))


def service(instance, key, begin, end):
    parts = (
        overlap(i["from"], i["to"], begin, end)
        for i in instance["intervals"]
        if i["key"] == key and i["serving"]
    )
    return sum(parts)


def hourly(line, ms):
    return Fraction(line["rate_micros"] * ms, HOUR * MICROS_PER_MINOR)


def metered(history):
    word = "metered-" + history["cadence"]
    priced = [line for line in history["lines"] if line["kind"] == "hourly"]
    for instance in history["instances"]:
        billed, cost, used, last = 0, Fraction(0), 0, None
        for begin, end in periods(history, history["cadence"]):
            for line in priced:
                ms = service(instance, line["key"], begin, end)
                if ms:
                    amount = half_up(hourly(line, ms))
                    yield [word, begin, line["sku"], line["key"], instance["name"], amount]
                    billed, cost, used, last = billed + amount, cost + hourly(line, ms), used + ms, line
            ended = instance["ended"]
            if last and ended is not None and begin < ended <= end:
                missing = last["min_hours"] * HOUR - used
                if missing > 0:
                    whole = half_up(cost + hourly(last, missing))
                    yield [word, begin, "Min-Hours", last["key"], instance["name"], max(0, whole - billed)]


def month_lines(history, begin, end):
    """The parts of a calendar month. Of two parts at one price the first is rounded and the last gets the residue;
    of more, each is the difference of two rounded sums."""
    stop = history["ended"] if history["ended"] is not None else float("inf")
    groups = {}
    for line in history["lines"]:
        if line["kind"] != "monthly":
            continue
        until = min(stop, line["until"] if line["until"] is not None else float("inf"))
        ms = overlap(line["from"], until, begin, end)
        if ms:
            share = Fraction(line["price_minor"] * line["quantity"] * ms, end - begin)
            groups.setdefault((line["sku"], line["price_minor"]), []).append((max(line["from"], begin), line, share))
    for parts in groups.values():
        parts.sort(key=lambda part: part[0])
        shares = [share for _, _, share in parts]
        if len(parts) <= 2:
            amounts = [half_up(share) for share in shares[:-1]]
            amounts.append(half_up(sum(shares)) - sum(amounts))
        else:
            steps = [half_up(sum(shares[:n])) for n in range(len(shares) + 1)]
            amounts = [b - a for a, b in zip(steps, steps[1:])]
        for (_, line, _), amount in zip(parts, amounts):
            yield line, amount


def terms(history, stop):
    promises = {}
    for line in history["lines"]:
        if line["commitment"] and line["from"] < stop:
            promises.setdefault(line["commitment"]["id"], []).append(line)
    for lines in promises.values():
        lines.sort(key=lambda line: line["from"])
        owed, days = Fraction(0), 0
        for line in lines:
            added = max(0, line["commitment"]["days"] - days)
            days += added
            owed += Fraction(line["price_minor"] * line["quantity"] * added, 30)
        keys = {line["key"] for line in lines}
        at, billed = lines[0]["from"], 0
        while at < stop:
            begin, at = period_of("monthly", at)
            billed += sum(amount for line, amount in month_lines(history, begin, at) if line["key"] in keys)
        missing = half_up(owed) - billed
        if missing > 0:
            yield lines[0]["key"], missing


def recurring(history):
    for begin, end in periods(history, "monthly"):
        for line, amount in month_lines(history, begin, end):
            yield ["recurring", begin, line["sku"], line["key"], None, amount]
        stop = history["ended"]
        if stop is not None and begin < stop <= end:
            for key, missing in terms(history, stop):
                yield ["recurring", begin, "MinTerm-Adjustment", key, None, missing]


def main():
    for text in sys.stdin:
        history = json.loads(text)
        print(json.dumps([*metered(history), *recurring(history)]))


if __name__ == "__main__":
    main()

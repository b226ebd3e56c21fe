"""Reads calendar feeds strictly and prints their events as JSON lines, in the order they stand in: read_feed.py FILE..."""

import json
import sys
from datetime import timezone

import icalendar

LINE_OCTETS_MAX = 75
CALENDAR = {"VERSION", "PRODID", "METHOD", "REFRESH-INTERVAL", "NAME", "X-WR-CALNAME", "X-WR-TIMEZONE"}
# RFC 5545 section 3.6.1 lets each of these stand once; of several, the parser makes a list.
EVENT = {"UID", "DTSTAMP", "SEQUENCE", "DTSTART", "DTEND", "STATUS", "TRANSP", "SUMMARY", "DESCRIPTION"}


def instant(moment):
    """A date and time that names its offset, in UTC; anything else is no instant."""
    assert moment.utcoffset() is not None, f"{moment} is a local time of nowhere"
    return moment.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def text_of(value):
    """A value that is a text by RFC 7986, of which this reader does not know it, read as any other text."""
    return str(icalendar.Event.from_ical(f"BEGIN:VEVENT\r\nSUMMARY:{value}\r\nEND:VEVENT\r\n")["SUMMARY"])


def checked(component, wanted):
    assert not component.errors, component.errors
    missing = wanted - set(component)
    assert not missing, f"{component.name} has no {missing}"
    several = {name for name in component if isinstance(component[name], list)}
    assert not several, f"{component.name} has several {several}"
    return component


for path in sys.argv[1:]:
    with open(path, "rb") as file:
        text = file.read()
    lines = text.split(b"\r\n")
    assert lines.pop() == b"", "the last line has no end"
    for line in lines:
        assert len(line) <= LINE_OCTETS_MAX, f"{len(line)} octets in a line: {line!r}"
        assert b"\r" not in line and b"\n" not in line, f"half a line break in {line!r}"
        line.decode()
    calendar = checked(icalendar.Calendar.from_ical(text), CALENDAR)
    assert calendar["VERSION"] == "2.0", calendar["VERSION"]
    for event in calendar.subcomponents:
        assert event.name == "VEVENT", event.name
        checked(event, EVENT)
        print(json.dumps({
            "calendar": text_of(calendar["NAME"]),
            "uid": str(event["UID"]),
            "sequence": int(event["SEQUENCE"]),
            "status": str(event["STATUS"]),
            "changed_at": instant(event["DTSTAMP"].dt),
            "starts_at": instant(event["DTSTART"].dt),
            "ends_at": instant(event["DTEND"].dt),
            "summary": str(event["SUMMARY"]),
            "description": str(event["DESCRIPTION"]),
        }))

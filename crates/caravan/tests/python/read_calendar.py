"""Reads a calendar from standard input, strictly, and prints its events as JSON lines, by start: read_calendar.py ZONE."""

import json
import sys
import zoneinfo
from datetime import timezone

import icalendar

zone = zoneinfo.ZoneInfo(sys.argv[1])
calendar = icalendar.Calendar.from_ical(sys.stdin.buffer.read())
assert calendar["VERSION"] == "2.0", calendar
assert not calendar.errors, calendar.errors

events = sorted(calendar.walk("VEVENT"), key=lambda event: event["DTSTART"].dt)
for event in events:
    assert not event.errors, event.errors
    start, end = event["DTSTART"].dt, event["DTEND"].dt
    utc = lambda at: at.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    print(json.dumps({
        "uid": str(event["UID"]),
        "sequence": int(event["SEQUENCE"]),
        "status": str(event["STATUS"]),
        "starts_at": utc(start),
        "ends_at": utc(end),
        "local": start.astimezone(zone).strftime("%Y-%m-%dT%H:%M:%S"),
        "summary": str(event["SUMMARY"]),
        "description": str(event["DESCRIPTION"]),
    }))

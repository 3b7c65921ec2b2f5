"""Where numbers are registered, as Twilio's geo fields say it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Place:
    city: str
    state: str
    zip: str
    country: str


NOWHERE = Place("", "", "", "")
AREAS = {
    "201": Place("JERSEY CITY", "NJ", "07302", "US"),
    "206": Place("SEATTLE", "WA", "98101", "US"),
    "212": Place("NEW YORK", "NY", "10001", "US"),
    "214": Place("DALLAS", "TX", "75201", "US"),
    "215": Place("PHILADELPHIA", "PA", "19103", "US"),
    "216": Place("CLEVELAND", "OH", "44113", "US"),
    "303": Place("DENVER", "CO", "80202", "US"),
    "305": Place("MIAMI", "FL", "33130", "US"),
    "312": Place("CHICAGO", "IL", "60601", "US"),
    "313": Place("DETROIT", "MI", "48226", "US"),
    "404": Place("ATLANTA", "GA", "30303", "US"),
    "410": Place("BALTIMORE", "MD", "21201", "US"),
    "412": Place("PITTSBURGH", "PA", "15222", "US"),
    "415": Place("SAN FRANCISCO", "CA", "94103", "US"),
    "503": Place("PORTLAND", "OR", "97205", "US"),
    "504": Place("NEW ORLEANS", "LA", "70112", "US"),
    "512": Place("AUSTIN", "TX", "78701", "US"),
    "602": Place("PHOENIX", "AZ", "85004", "US"),
    "612": Place("MINNEAPOLIS", "MN", "55401", "US"),
    "615": Place("NASHVILLE", "TN", "37203", "US"),
    "617": Place("BOSTON", "MA", "02108", "US"),
    "619": Place("SAN DIEGO", "CA", "92101", "US"),
    "702": Place("LAS VEGAS", "NV", "89101", "US"),
    "713": Place("HOUSTON", "TX", "77002", "US"),
    "718": Place("BROOKLYN", "NY", "11201", "US"),
    "808": Place("HONOLULU", "HI", "96813", "US"),
    "816": Place("KANSAS CITY", "MO", "64106", "US"),
    "907": Place("ANCHORAGE", "AK", "99501", "US"),
    "916": Place("SACRAMENTO", "CA", "95814", "US"),
    "919": Place("RALEIGH", "NC", "27601", "US"),
}


def place_of(number: str) -> Place:
    """Where a number that is called is registered; blank where the table does not know."""
    if not number.startswith("+1"):
        return NOWHERE
    return AREAS.get(number[2:5], Place("", "", "", "US"))

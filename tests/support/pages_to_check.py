"""Every page that people look at: the table behind axe, stored markup and the screenshots."""

from dataclasses import dataclass

from tests.support.box import Box


@dataclass(frozen=True)
class PageToCheck:
    """`path` may name `{customer}`, somebody with a history. Owners see all of them, `staff` says who else does.

    `name` is what its screenshots are called; those of `dark` are taken in dark, too.
    """

    name: str
    path: str
    staff: bool = True
    dark: bool = False

    def path_in(self, box: Box, token: str) -> str:
        if "{customer}" not in self.path:
            return self.path
        return self.path.format(customer=box.customers(token)[0]["id"])


PAGES_TO_CHECK = (
    PageToCheck("home", "/", dark=True),
    PageToCheck("settings", "/settings", staff=False),
    PageToCheck("customers", "/customers", dark=True),
    PageToCheck("customer", "/customers/{customer}", dark=True),
    PageToCheck("customer-create", "/customers/create"),
    PageToCheck("customer-duplicates", "/customers/suggestions"),
    PageToCheck("customer-import", "/customers/import", staff=False),
    PageToCheck("calls", "/calls"),
    PageToCheck("missed-calls", "/missed-calls", dark=True),
    PageToCheck("missed-calls-summary", "/missed-calls/summary"),
    PageToCheck("leads", "/leads", dark=True),
    PageToCheck("funnel", "/leads/funnel"),
    PageToCheck("messages", "/messages"),
    PageToCheck("message-status", "/messages/status"),
    PageToCheck("opt-outs", "/opt-outs"),
    PageToCheck("templates", "/templates"),
    PageToCheck("automations", "/automations"),
    PageToCheck("automation-create", "/automations/create", staff=False),
    PageToCheck("automation-runs", "/automations/runs"),
    PageToCheck("webhook-endpoints", "/webhook-endpoints"),
)

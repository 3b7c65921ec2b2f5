// What makes pages pleasant; everything works without it. Marked by attributes:
//   form[data-form]     sent in the background; errors beside their fields, the page brought up to date
//   [data-live]         with an id: brought up to date every few seconds, never under somebody's hands
//   [data-key]          inside a live region: a row that is kept, moved or replaced by itself
//   form[data-search]   searches as you type;  a[data-more]  appends the next page in place
//   [data-segments]     a text area that counts what its text costs, asked of /messages/preview

const LIVE_MS = 4000;
const TYPING_MS = 250;
const RENEW_MS = 5 * 60 * 1000;
const csrf = document.body.dataset.csrf ?? "";
let etag = null;
let busy = 0;

export function toast(text, bad = false) {
  if (!text) return;
  const box = document.createElement("div");
  box.className = bad ? "toast bad" : "toast";
  box.textContent = text;
  document.getElementById("toasts").append(box);
  setTimeout(() => box.remove(), bad ? 8000 : 4000);
}

function touched(element) {
  if (element.contains(document.activeElement) && document.activeElement !== document.body) return true;
  if ([...element.querySelectorAll("audio")].some((audio) => !audio.paused)) return true;
  return [...element.querySelectorAll("input, textarea, select")].some(changed);
}

function changed(field) {
  if (field.type === "hidden" || field.type === "submit") return false;
  if (field.type === "checkbox" || field.type === "radio") return field.checked !== field.defaultChecked;
  if (field.tagName === "SELECT") return [...field.options].some((o) => o.selected !== o.defaultSelected);
  return field.value !== field.defaultValue;
}

function keyed(element) {
  return [...element.children].every((child) => child.dataset.key !== undefined);
}

// Bring `old` to what `fresh` says; rows with keys one by one, so that what somebody works on stays.
export function morph(old, fresh) {
  if (old.isEqualNode(fresh)) return;
  const list = old.matches("[data-rows]") ? old : null;
  if (list && keyed(list) && keyed(fresh)) return morphRows(list, fresh);
  const inner = [...old.querySelectorAll("[data-rows]")];
  const same = inner.length > 0 && inner.every((one) => one.id && fresh.querySelector(`#${CSS.escape(one.id)}`));
  if (same && touched(old)) {
    inner.forEach((one) => morph(one, fresh.querySelector(`#${CSS.escape(one.id)}`)));
    return;
  }
  if (!touched(old)) old.replaceWith(keepOpen(old, document.importNode(fresh, true)));
}

function keepOpen(old, fresh) {
  for (const details of old.querySelectorAll("details[open][id]")) {
    const twin = fresh.querySelector(`#${CSS.escape(details.id)}`);
    if (twin) twin.open = true;
  }
  return fresh;
}

function morphRows(old, fresh) {
  const rows = new Map([...old.children].map((row) => [row.dataset.key, row]));
  const wanted = new Set([...fresh.children].map((row) => row.dataset.key));
  for (const [key, row] of rows) if (!wanted.has(key) && !touched(row) && !row.dataset.appended) row.remove();
  let place = old.firstElementChild;
  for (const row of fresh.children) {
    let mine = rows.get(row.dataset.key);
    if (!mine) {
      mine = document.importNode(row, true);
      old.insertBefore(mine, place);
      continue;
    }
    if (mine !== place && !touched(mine)) old.insertBefore(mine, place);
    if (mine === place) place = place.nextElementSibling;
    if (!mine.isEqualNode(row) && !touched(mine)) mine.replaceWith(keepOpen(mine, document.importNode(row, true)));
  }
}

async function fetchPage(url, headers = {}) {
  const response = await fetch(url, { headers: { Accept: "text/html", ...headers }, credentials: "same-origin" });
  if (response.redirected && new URL(response.url).pathname === "/login") {
    location.assign(`/login?next=${encodeURIComponent(location.pathname + location.search)}`);
    return null;
  }
  if (!response.ok) return null;
  etag = response.headers.get("ETag");
  return new DOMParser().parseFromString(await response.text(), "text/html");
}

function show(page, all = false) {
  for (const fresh of page.querySelectorAll("[data-live][id]")) {
    const old = document.getElementById(fresh.id);
    if (!old) continue;
    if (all) old.replaceWith(document.importNode(fresh, true));
    else morph(old, fresh);
  }
  document.dispatchEvent(new CustomEvent("ringback:shown"));
}

export async function refresh(all = false) {
  if (!document.querySelector("[data-live]")) return;
  busy += 1;
  try {
    const headers = { "X-Live": "1", ...(etag && !all ? { "If-None-Match": etag } : {}) };
    const page = await fetchPage(location.href, headers);
    if (page) show(page, all);
  } catch {
    // The next time will tell; a page that cannot be brought up to date still shows what it knows.
  } finally {
    busy -= 1;
  }
}

setInterval(() => {
  if (!document.hidden && busy === 0) refresh();
}, LIVE_MS);
document.addEventListener("visibilitychange", () => document.hidden || refresh());
if (csrf) setInterval(() => document.hidden || fetch("/login/renew"), RENEW_MS);

// Forms.

export async function send(form, extra = {}) {
  const data = new URLSearchParams(new FormData(form));
  for (const [name, value] of Object.entries(extra)) data.set(name, value);
  const action = new URL(form.action, location.href);
  const method = action.searchParams.get("_method") ?? form.method.toUpperCase();
  action.searchParams.delete("_method");
  const response = await fetch(action, {
    method,
    body: data,
    headers: { Accept: "application/json", "X-CSRF-Token": csrf },
    credentials: "same-origin",
  });
  const document = response.headers.get("Content-Type")?.includes("json") ? await response.json() : {};
  return { ok: response.ok, status: response.status, document, location: response.headers.get("Location") };
}

function showErrors(form, problem) {
  const errors = problem.errors ?? {};
  let first = null;
  for (const slot of form.querySelectorAll("[data-error]")) {
    const found = errors[slot.dataset.error];
    slot.textContent = found ? found.join(" ") : "";
    slot.hidden = !found;
    const field = form.elements.namedItem(slot.dataset.error);
    const input = field instanceof RadioNodeList ? field[field.length - 1] : field;
    input?.setAttribute("aria-invalid", String(Boolean(found)));
    if (found && !first) first = input;
  }
  const shown = Object.keys(errors).every((name) => form.querySelector(`[data-error="${CSS.escape(name)}"]`));
  const general = form.querySelector("[data-form-error]");
  if (general) {
    const rest = shown ? "" : Object.entries(errors).map(([name, found]) => `${name}: ${found.join(" ")}`).join(" ");
    general.textContent = Object.keys(errors).length ? rest : problem.detail ?? "";
    general.hidden = !general.textContent;
  }
  first?.focus();
}

document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (event.defaultPrevented || !form.matches("form[data-form]") || form.dataset.form === "") return;
  if (form.dataset.confirm && !window.confirm(form.dataset.confirm)) return event.preventDefault();
  if (form.querySelector('[name="_next"]') || form.dataset.plain !== undefined) return;
  event.preventDefault();
  const submitter = event.submitter;
  if (submitter) submitter.disabled = true;
  try {
    const extra = submitter?.name ? { [submitter.name]: submitter.value } : {};
    const result = await send(form, extra);
    if (result.status === 401) return location.reload();
    if (!result.ok) return showErrors(form, result.document);
    showErrors(form, {});
    form.reset();
    form.dispatchEvent(new CustomEvent("ringback:sent", { bubbles: true, detail: result }));
    document.activeElement?.blur();
    toast(form.dataset.said ?? "Saved.");
    if (form.dataset.goes === "location" && result.location) return location.assign(result.location);
    await refresh();
  } catch {
    toast("The server could not be reached. Nothing was lost: try again.", true);
  } finally {
    if (submitter) submitter.disabled = false;
  }
});

// Search as you type.

let typing = null;
async function search(form) {
  const url = new URL(form.action || location.href, location.href);
  url.search = new URLSearchParams([...new FormData(form)].filter(([, value]) => value)).toString();
  history.replaceState(null, "", url);
  etag = null;
  const page = await fetchPage(url);
  if (page && url.href === location.href) show(page, true);
}
document.addEventListener("input", (event) => {
  const form = event.target.closest("form[data-search]");
  if (!form) return;
  clearTimeout(typing);
  typing = setTimeout(() => search(form), TYPING_MS);
});
document.addEventListener("submit", (event) => {
  if (!event.target.matches("form[data-search]")) return;
  event.preventDefault();
  clearTimeout(typing);
  search(event.target);
});

// The next page in place.

document.addEventListener("click", async (event) => {
  const link = event.target.closest("a[data-more]");
  if (!link || event.metaKey || event.ctrlKey) return;
  const region = link.closest("[data-live][id]");
  const rows = region?.querySelector("[data-rows]");
  if (!rows) return;
  event.preventDefault();
  const kept = etag;
  const page = await fetchPage(link.href);
  etag = kept;
  const fresh = page?.getElementById(region.id);
  for (const row of fresh?.querySelector("[data-rows]")?.children ?? []) {
    const mine = document.importNode(row, true);
    mine.dataset.appended = "1";
    if (!rows.querySelector(`[data-key="${CSS.escape(row.dataset.key)}"]`)) rows.append(mine);
  }
  const next = fresh?.querySelector("a[data-more]");
  if (next) link.href = next.href;
  else link.closest(".more")?.remove();
});

// What a text costs.

document.addEventListener("input", (event) => {
  const area = event.target.closest("textarea[data-segments]");
  if (!area) return;
  clearTimeout(area.timer);
  area.timer = setTimeout(async () => {
    const slot = document.getElementById(area.dataset.segments);
    if (!area.value.trim()) return void (slot.textContent = "");
    const response = await fetch("/messages/preview", {
      method: "POST",
      body: JSON.stringify({ body: area.value }),
      headers: { "Content-Type": "application/json", Accept: "application/json", "X-CSRF-Token": csrf },
    });
    if (!response.ok) return;
    const { segments, encoding } = await response.json();
    slot.textContent = `${segments} ${segments === 1 ? "segment" : "segments"}, ${encoding}`;
  }, TYPING_MS);
});

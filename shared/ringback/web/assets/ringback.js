// What makes pages pleasant; everything works without it. Marked by attributes:
//   form[data-form]     sent in the background; errors beside their fields, the page brought up to date
//   [data-live]         with an id: brought up to date every few seconds, never under somebody's hands
//   [data-rows]         with an id, inside a live region: a list whose children have a data-key each; a row is kept,
//                       moved or replaced by itself
//   form[data-search]   searches as you type;  a[data-more]  appends the next page in place
//   [data-segments]     a text area that counts what its text costs, asked of /messages/preview

const LIVE_MS = 4000;
const TYPING_MS = 250;
const RENEW_MS = 5 * 60 * 1000;
const PATIENCE_MS = 20_000;
const UNREACHABLE = "The server could not be reached. Nothing was lost: try again.";
const SIGNED_OUT = "You are signed out. Sign in again in another tab: what you typed stays here.";
let csrf = document.body.dataset.csrf ?? "";
let etag = null;
let busy = 0;
let told = false;
let activeAt = Date.now();

export function toast(text, bad = false) {
  if (!text) return;
  const box = document.createElement("div");
  box.className = bad ? "toast bad" : "toast";
  box.textContent = text;
  document.getElementById("toasts").append(box);
  setTimeout(() => box.remove(), bad ? 8000 : 4000);
}

// On a narrow screen the place where somebody is may stand outside the navigation's window.
document.querySelector(".nav [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });

// Under somebody's hands.

function touched(element) {
  if (element.contains(document.activeElement) && document.activeElement !== document.body) return true;
  if ([...element.querySelectorAll("audio, video")].some((one) => one.currentTime > 0 && !one.ended)) return true;
  return element.querySelector("dialog[open]") !== null || [...fieldsOf(element)].some(changed);
}

function fieldsOf(element) {
  return element.querySelectorAll("input, textarea, select");
}

function changed(field) {
  if (field.type === "hidden" || field.type === "submit") return false;
  if (field.type === "checkbox" || field.type === "radio") return field.checked !== field.defaultChecked;
  if (field.tagName === "SELECT") return chosenOf(field) !== chosenAtFirst(field);
  return field.value !== field.defaultValue;
}

function chosenOf(select) {
  return [...select.options].findIndex((option) => option.selected);
}

// A list of choices of which none was marked shows its first.
function chosenAtFirst(select) {
  const marked = [...select.options].findLastIndex((option) => option.defaultSelected);
  return marked === -1 && !select.multiple ? [...select.options].findIndex((option) => !option.disabled) : marked;
}

function halfTyped() {
  return [...fieldsOf(document)].some((field) => !field.closest("form[data-search]") && changed(field));
}

// Bringing up to date. Each says whether all of it could be; what could not is tried again.

// Bring `old` to what `fresh` says; lists row by row, so that what somebody works on stays.
export function morph(old, fresh) {
  if (old.isEqualNode(fresh)) return true;
  if (old.matches("[data-rows]") && keyed(old) && keyed(fresh)) return morphRows(old, fresh);
  const lists = listsOf(old, fresh);
  if (lists.length) return morphAround(old, fresh, lists);
  return replace(old, fresh);
}

function replace(old, fresh) {
  if (touched(old)) return false;
  old.replaceWith(keepOpen(old, document.importNode(fresh, true)));
  return true;
}

function keyed(element) {
  return [...element.children].every((child) => child.dataset.key !== undefined);
}

function twinOf(one, root) {
  return one.id ? root.querySelector(`#${CSS.escape(one.id)}`) : null;
}

// Pairs of lists that can be told apart row by row; none when one of them cannot.
function listsOf(old, fresh) {
  const outer = [...old.querySelectorAll("[data-rows]")].filter((one) => !one.parentElement.closest("[data-rows]"));
  const pairs = outer.map((one) => [one, twinOf(one, fresh)]);
  return pairs.every(([mine, theirs]) => theirs && keyed(mine) && keyed(theirs)) ? pairs : [];
}

function morphAround(old, fresh, lists) {
  const all = lists.map(([mine, theirs]) => morph(mine, theirs)).every(Boolean);
  const longer = old.querySelector("[data-appended]") !== null;
  if (shellOf(old, longer) === shellOf(fresh, longer)) return all;
  if (touched(old)) return false;
  const next = keepOpen(old, document.importNode(fresh, true));
  for (const [mine] of lists) twinOf(mine, next).replaceWith(mine);
  if (longer) keepMore(old, next);
  old.replaceWith(next);
  return all;
}

function shellOf(element, longer) {
  const shell = element.cloneNode(true);
  for (const list of shell.querySelectorAll("[data-rows]")) list.replaceChildren();
  for (const details of shell.querySelectorAll("details")) details.open = false;
  if (longer) moreOf(shell)?.remove();
  return shell.outerHTML;
}

function moreOf(element) {
  const link = element.querySelector("a[data-more]");
  return link?.closest(".more") ?? link;
}

// Whoever had more shown goes on from there.
function keepMore(old, next) {
  const mine = moreOf(old);
  if (mine) moreOf(next)?.replaceWith(mine);
  else moreOf(next)?.remove();
}

function keepOpen(old, fresh) {
  const twins = [...fresh.querySelectorAll("details")];
  [...old.querySelectorAll("details")].forEach((details, place) => {
    const twin = details.id ? twinOf(details, fresh) : twins[place];
    if (details.open && twin) twin.open = true;
  });
  return fresh;
}

function morphRows(old, fresh) {
  const wanted = new Map([...fresh.children].map((row) => [row.dataset.key, row]));
  let all = removeGone(old, wanted);
  const rows = new Map([...old.children].map((row) => [row.dataset.key, row]));
  let place = old.firstElementChild;
  for (const [key, row] of wanted) {
    const mine = rows.get(key);
    // A row in use stays; what it has to come before goes behind it.
    if (mine && (mine === place || touched(mine))) place = mine.nextElementSibling;
    else old.insertBefore(mine ?? document.importNode(row, true), place);
    if (mine && !mine.isEqualNode(row)) all = replace(mine, row) && all;
  }
  return all;
}

// Rows after the last one that is still there were only pushed on to the next page, when that is shown, too.
function removeGone(list, wanted) {
  const rows = [...list.children];
  const longer = wanted.size > 0 && rows.some((row) => row.dataset.appended);
  const last = rows.findLastIndex((row) => wanted.has(row.dataset.key));
  let all = true;
  rows.forEach((row, place) => {
    if (wanted.has(row.dataset.key) || (longer && row.dataset.appended)) return;
    if (longer && place > last) row.dataset.appended = "1";
    else if (touched(row)) all = false;
    else row.remove();
  });
  return all;
}

async function fetchPage(url, headers = {}) {
  const response = await fetch(url, {
    headers: { Accept: "text/html", ...headers },
    credentials: "same-origin",
    signal: AbortSignal.timeout(PATIENCE_MS),
  });
  if (response.redirected && new URL(response.url).pathname === "/login") {
    signedOut();
    return null;
  }
  if (!response.ok) return null;
  etag = response.headers.get("ETag");
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  adopt(page);
  return page;
}

// On to the sign-in, unless that would lose what somebody typed.
function signedOut() {
  if (!halfTyped()) location.assign(`/login?next=${encodeURIComponent(location.pathname + location.search)}`);
  else if (!told) toast(SIGNED_OUT, true);
  told = true;
}

// After somebody signed in again in another tab, the forms of this one are of the new session; of the same person only.
function adopt(page) {
  told = false;
  const fresh = page.body.dataset.csrf;
  if (!fresh || fresh === csrf || whoIn(page) !== whoIn(document)) return;
  csrf = document.body.dataset.csrf = fresh;
  for (const field of document.querySelectorAll('input[name="csrf_token"]')) field.value = fresh;
}

function whoIn(page) {
  return page.querySelector(".who-name")?.textContent;
}

function show(page, all = false) {
  let complete = true;
  for (const fresh of page.querySelectorAll("[data-live][id]")) {
    const old = document.getElementById(fresh.id);
    if (!old) continue;
    if (all && !old.contains(document.activeElement)) old.replaceWith(document.importNode(fresh, true));
    else complete = morph(old, fresh) && complete;
  }
  document.dispatchEvent(new CustomEvent("ringback:shown"));
  return complete;
}

export async function refresh(all = false) {
  if (!document.querySelector("[data-live]")) return;
  const url = location.href;
  busy += 1;
  try {
    const headers = { "X-Live": "1", ...(etag && !all ? { "If-None-Match": etag } : {}) };
    const page = await fetchPage(url, headers);
    if (page && (url !== location.href || !show(page, all))) etag = null;
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

// A session lasts while somebody uses the page, not while it is merely open.
for (const kind of ["keydown", "pointerdown"]) document.addEventListener(kind, () => (activeAt = Date.now()));
if (csrf) {
  setInterval(() => {
    if (Date.now() - activeAt < RENEW_MS) fetch("/login/renew").catch(() => null);
  }, RENEW_MS);
}

// Forms.

export async function send(form, extra = {}, address = form.getAttribute("action")) {
  const data = new URLSearchParams(new FormData(form));
  for (const [name, value] of Object.entries(extra)) data.set(name, value);
  const action = new URL(address ?? "", location.href);
  const method = action.searchParams.get("_method") ?? (form.getAttribute("method") ?? "GET").toUpperCase();
  action.searchParams.delete("_method");
  let response = await post(action, method, data);
  if (response.status === 401 && (await fetch("/login/renew")).ok) response = await post(action, method, data);
  const said = response.headers.get("Content-Type")?.includes("json") ? await response.json() : {};
  return { ok: response.ok, status: response.status, document: said, location: response.headers.get("Location") };
}

function post(action, method, body) {
  return fetch(action, {
    method,
    body,
    headers: { Accept: "application/json", "X-CSRF-Token": csrf },
    credentials: "same-origin",
    signal: AbortSignal.timeout(PATIENCE_MS),
  });
}

function showErrors(form, errors) {
  let first = null;
  for (const slot of form.querySelectorAll("[data-error]")) {
    const found = errors[slot.dataset.error];
    slot.textContent = found ? found.join(" ") : "";
    slot.hidden = !found;
    const input = inputOf(form, slot.dataset.error);
    if (found) input?.setAttribute("aria-invalid", "true");
    else input?.removeAttribute("aria-invalid");
    if (found && !first) first = input;
  }
  first?.focus();
}

function inputOf(form, name) {
  const field = form.elements.namedItem(name);
  return field instanceof RadioNodeList ? field[field.length - 1] : field;
}

// What stands beside no field.
function showGeneral(form, text) {
  const general = form.querySelector("[data-form-error]");
  if (!general) return toast(text, true);
  general.textContent = text;
  general.hidden = !text;
}

function refused(form, { status, document: problem }) {
  const errors = problem.errors ?? {};
  const beside = (name) => form.querySelector(`[data-error="${CSS.escape(name)}"]`);
  const rest = Object.entries(errors).filter(([name]) => !beside(name));
  const said = rest.map(([name, found]) => `${name}: ${found.join(" ")}`).join(" ");
  showErrors(form, errors);
  showGeneral(form, said || (Object.keys(errors).length ? "" : problem.detail ?? `That did not work (${status}).`));
}

// What was changed is what the form begins with from now on; what was added makes room for the next.
function settle(form) {
  if (!new URL(form.getAttribute("action") ?? "", location.href).searchParams.has("_method")) return form.reset();
  for (const field of fieldsOf(form)) {
    if (field.tagName === "SELECT") for (const option of field.options) option.defaultSelected = option.selected;
    else if (field.type === "checkbox" || field.type === "radio") field.defaultChecked = field.checked;
    else if (field.type !== "hidden") field.defaultValue = field.value;
  }
}

// Where the focus was, to find it in what was brought up to date.
function placeOf(element) {
  const form = element.closest("form[data-form]");
  return { id: element.id, name: element.getAttribute("name"), form: form?.dataset.form };
}

function focusAgain({ id, name, form }) {
  if (document.activeElement !== document.body) return;
  const mine = form ? document.querySelector(`form[data-form="${CSS.escape(form)}"]`) : null;
  const named = name ? mine?.querySelector(`[name="${CSS.escape(name)}"]`) : mine?.querySelector("button");
  const found = (id && document.getElementById(id)) || named || document.getElementById("main");
  found.focus({ preventScroll: true });
}

async function taken(form, result) {
  const place = placeOf(document.activeElement ?? form);
  showErrors(form, {});
  if (form.querySelector("[data-form-error]")) showGeneral(form, "");
  settle(form);
  form.dispatchEvent(new CustomEvent("ringback:sent", { bubbles: true, detail: result }));
  document.activeElement?.blur();
  toast(form.dataset.said ?? "Saved.");
  if (form.dataset.goes === "location" && result.location) return location.assign(result.location);
  await refresh();
  focusAgain(place);
}

document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (event.defaultPrevented || !form.matches("form[data-form]") || form.dataset.form === "") return;
  if (form.dataset.confirm && !window.confirm(form.dataset.confirm)) return event.preventDefault();
  if (form.querySelector('[name="_next"]') || form.dataset.plain !== undefined) return;
  event.preventDefault();
  if (form.getAttribute("aria-busy")) return;
  form.setAttribute("aria-busy", "true");
  try {
    const submitter = event.submitter;
    const extra = submitter?.name ? { [submitter.name]: submitter.value } : {};
    const result = await send(form, extra, submitter?.getAttribute("formaction") ?? form.getAttribute("action"));
    form.removeAttribute("aria-busy");
    if (result.status === 401) signedOut();
    else if (!result.ok) refused(form, result);
    else await taken(form, result);
  } catch {
    toast(UNREACHABLE, true);
  } finally {
    form.removeAttribute("aria-busy");
  }
});

// Search as you type.

let typing = null;
async function search(form) {
  const url = new URL(form.getAttribute("action") ?? location.pathname, location.href);
  url.search = new URLSearchParams([...new FormData(form)].filter(([, value]) => value)).toString();
  history.replaceState(null, "", url);
  etag = null;
  try {
    const page = await fetchPage(url);
    if (page && url.href === location.href) show(page, true);
  } catch {
    toast(UNREACHABLE, true);
  }
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
  if (!link || event.metaKey || event.ctrlKey || event.shiftKey) return;
  const region = link.closest("[data-live][id]");
  const rows = region?.querySelector("[data-rows]");
  if (!rows || !keyed(rows)) return;
  event.preventDefault();
  try {
    await append(rows, region.id, link);
  } catch {
    toast(UNREACHABLE, true);
  }
});

async function append(rows, region, link) {
  const page = await fetchPage(link.href);
  etag = null;
  const fresh = page?.getElementById(region);
  if (!fresh) return;
  const more = [...(fresh.querySelector("[data-rows]")?.children ?? [])].filter((row) => !rowOf(rows, row.dataset.key));
  const added = more.map((row) => document.importNode(row, true));
  for (const row of added) row.dataset.appended = "1";
  rows.append(...added);
  const next = fresh.querySelector("a[data-more]");
  if (next) link.href = next.href;
  else leave(link, added[0]);
}

function rowOf(rows, key) {
  return rows.querySelector(`:scope > [data-key="${CSS.escape(key ?? "")}"]`);
}

// The link goes; who went there by keyboard goes on at the first of the new rows.
function leave(link, row) {
  const focused = link === document.activeElement;
  moreOf(link.parentElement)?.remove();
  if (focused) row?.querySelector("a, button")?.focus();
}

// What a text costs.

document.addEventListener("input", (event) => {
  const area = event.target.closest("textarea[data-segments]");
  if (!area) return;
  clearTimeout(area.timer);
  area.timer = setTimeout(() => count(area).catch(() => null), TYPING_MS);
});

async function count(area) {
  const slot = document.getElementById(area.dataset.segments);
  const text = area.value;
  if (!text.trim()) return void (slot.textContent = "");
  const response = await fetch("/messages/preview", {
    method: "POST",
    body: JSON.stringify({ body: text }),
    headers: { "Content-Type": "application/json", Accept: "application/json", "X-CSRF-Token": csrf },
  });
  if (!response.ok || area.value !== text) return;
  const { segments, encoding } = await response.json();
  slot.textContent = `${segments} ${segments === 1 ? "segment" : "segments"}, ${encoding}`;
}
